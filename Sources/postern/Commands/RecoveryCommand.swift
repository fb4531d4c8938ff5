import ArgumentParser
import Client
import Core

/// `postern recovery`: what a recovering node does with the council.
struct RecoveryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recovery", abstract: "Recover through the council door.",
    subcommands: [RecoveryRequestCommand.self, RecoveryOpen.self])

  /// Where a request's secret lies if nobody says otherwise.
  static func secretPath(_ request: String) -> String { "\(request).secret" }
}

extension RecoveryRequestFile {
  /// Reads a request's file.
  static func read(_ path: String) throws(PosternError) -> RecoveryRequestFile {
    try NamedFile.read(path, byteCountLimit: textByteCountLimit) { (bytes) throws(PosternError) in
      try RecoveryRequestFile(parsing: bytes)
    }
  }
}
