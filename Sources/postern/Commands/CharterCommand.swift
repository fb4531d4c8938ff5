import ArgumentParser
import Client
import Core

/// `postern charter`.
struct CharterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "charter", abstract: "Build, sign and register an application's charter.",
    subcommands: [CharterNew.self, CharterShow.self, CharterSign.self, CharterRegister.self])
}

extension CharterFile {
  /// Reads a charter's file.
  static func read(_ path: String) throws(PosternError) -> CharterFile {
    try NamedFile.read(path, byteCountLimit: textByteCountLimit) { (bytes) throws(PosternError) in
      try CharterFile(parsing: bytes)
    }
  }
}
