import ArgumentParser
import Client
import Core

/// `postern key show`: the public half of a key, once more.
struct KeyShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print the public half of a key.")

  @Option(help: ArgumentHelp("The key's file; - is standard input.", valueName: "file"))
  var key: String

  @OptionGroup var passphrase: PassphraseOptions

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let role: String
    let name: String
    let line: String
  }

  func run() throws {
    let key = try KeyFile.read(key, as: nil, passphrase)
    let line = PublicLine(of: key).description
    try Console.say(json ? try Output(role: key.role.rawValue, name: key.name, line: line).json : line)
  }
}
