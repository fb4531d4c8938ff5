import ArgumentParser
import Client
import Core
import Foundation

/// Which archive to ask.
struct ArchiveOptions: ParsableArguments {
  /// The variable that names an archive where no flag does.
  static let variable = "POSTERN_ARCHIVE"
  /// Where an archive listens that nobody configured.
  static let standard = "127.0.0.1:7411"

  @Option(
    help: ArgumentHelp(
      "The archive's address (or $\(ArchiveOptions.variable); \(ArchiveOptions.standard) where neither is given).",
      valueName: "host:port"))
  var archive: String?

  @Flag(help: "Connect over TLS 1.3, trusting the system's certificates.")
  var tls = false

  @Option(help: ArgumentHelp("Connect over TLS 1.3, trusting the certificates in this PEM file.", valueName: "file"))
  var tlsCa: String?

  /// The options as they were given, each with a space in front, to be put into a command that is shown.
  var words: String {
    (archive.map { " --archive \($0)" } ?? "") + (tls ? " --tls" : "") + (tlsCa.map { " --tls-ca \($0)" } ?? "")
  }

  /// The archive's address.
  ///
  /// - Throws: `address.malformed`.
  func address() throws(PosternError) -> ArchiveAddress {
    let text = archive ?? ProcessInfo.processInfo.environment[ArchiveOptions.variable] ?? ArchiveOptions.standard
    let security: ArchiveAddress.Security = tls || tlsCa != nil ? .tls(trustRootsPath: tlsCa) : .plain
    return try ArchiveAddress(parsing: text, security: security)
  }
}
