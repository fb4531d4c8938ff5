import ArgumentParser
import Client
import Core
import Sodium

/// `postern key new`: draws a secret, keeps it in a file, and prints its public half.
struct KeyNew: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Make a key.",
    discussion: """
      The public half goes to standard output, on one line to paste to others. Keep the file: whoever has it is the \
      holder, and nobody can make it again.
      """)

  @Argument(help: "What the key is for.")
  var role: HolderRole

  @Option(help: "What people call the holder.")
  var name: String

  @Option(
    help: ArgumentHelp("Where the key goes (NAME.key where none is given); - is standard output.", valueName: "file"))
  var out: String?

  @Flag(help: "Put the key under a passphrase.")
  var passphrase = false

  @OptionGroup var passphraseOptions: PassphraseOptions

  @Option(
    name: .customLong("import"),
    help: ArgumentHelp(
      "Take the secret that a KMS provisioned, raw or in hexadecimal; - is standard input.", valueName: "file"))
  var importPath: String?

  @OptionGroup var common: CommonOptions

  func run() throws {
    let key = try makeKey()
    let line = PublicLine(of: key).description
    var text =
      try passphrase || passphraseOptions.passphraseFile != nil
      ? key.text(passphrase: try passphraseOptions.new()) : key.text()
    defer { wipe(&text) }
    let path = try path()
    guard path != InputFile.standardInput else {
      Console.say(text)
      Console.note(line)
      return
    }
    try PrivateFile.write(text, to: path)
    Console.note("Wrote the \(role.rawValue)'s key to \(path); nobody else may read it. Its public half:")
    Console.say(line)
  }

  private func makeKey() throws -> KeyFile {
    guard let importPath else { return try KeyFile.random(role: role, name: name) }
    var bytes = try InputFile.read(importPath, byteCountLimit: 1_024)
    return try KeyFile.importing(role: role, name: name, bytes: &bytes)
  }

  private func path() throws -> String {
    if let out { return out }
    let isPlain =
      name.utf8.first != UInt8(ascii: ".") && name.allSatisfy { $0.isLetter || $0.isNumber || "-_.@".contains($0) }
    guard isPlain else { throw ValidationError("The name “\(name)” is no file's; say where the key goes with --out.") }
    return "\(name).key"
  }
}
