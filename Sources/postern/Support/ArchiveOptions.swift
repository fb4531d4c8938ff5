public import ArgumentParser
public import Client
public import Core
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

  /// The archive's address.
  ///
  /// - Throws: `address.malformed`.
  func address() throws(PosternError) -> ArchiveAddress {
    let text = archive ?? ProcessInfo.processInfo.environment[ArchiveOptions.variable] ?? ArchiveOptions.standard
    let security: ArchiveAddress.Security = tls || tlsCa != nil ? .tls(trustRootsPath: tlsCa) : .plain
    return try ArchiveAddress(parsing: text, security: security)
  }
}

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Take options from this TOML file; flags win. A table for each command, such as: [push] key = \"node.key\"",
      valueName: "file"))
  var config: String?
}

/// Where a client remembers what it saw.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The state folder ($XDG_STATE_HOME/postern/APP where none is given).", valueName: "folder"))
  var state: String?

  /// The state folder of an application.
  ///
  /// - Throws: `state.location`.
  func path(_ app: Digest) throws(PosternError) -> String {
    if let state { return state }
    return try StateLocation.path(app: app, environment: ProcessInfo.processInfo.environment)
  }

  /// What was seen of logs.
  func memory(_ app: Digest) throws(PosternError) -> CheckpointMemory {
    CheckpointMemory(folder: try path(app))
  }
}

extension Digest: ExpressibleByArgument {
  /// A digest as a command takes it: 64 hexadecimal digits.
  public init?(argument: String) {
    self.init(hex: argument)
  }
}

extension HolderRole: ExpressibleByArgument {}
