import ArgumentParser
import Client
import Core
import Records
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
    help: ArgumentHelp(
      "Where the key goes (NAME.key where none is given, with - for each space); - is standard output.",
      valueName: "file"))
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

  func validate() throws {
    guard Charter.isName(name) else { throw ValidationError(KeyNew.badName(name)) }
    _ = try path()
  }

  /// What is said of a name that no charter would take.
  static func badName(_ name: String) -> String {
    "The name “\(Console.visible(name))” is none: a name has 1 to \(Charter.Limits.nameByteCount) bytes, all of it "
      + "shows, and it neither begins nor ends with a space."
  }

  func run() throws {
    let key = try makeKey()
    let line = PublicLine(of: key).description
    var text =
      try passphrase || passphraseOptions.passphraseFile != nil
      ? key.text(passphrase: try passphraseOptions.new()) : key.text()
    defer { wipe(&text) }
    let path = try path()
    guard path != InputFile.standardInput else {
      do throws(PosternError) {
        try Console.say(text)
      } catch {
        throw PosternError(
          error.code, "The key was not written whole to standard output, and is lost. \(error.message)",
          advice: "Throw away what arrived, and make another key.")
      }
      Console.note(line)
      return
    }
    try PrivateFile.write(text, to: path)
    Console.note("Wrote the \(role.rawValue)'s key to \(path); nobody else may read it. Its public half:")
    try Console.say(
      line,
      after: Console.Deed(
        sentence: "The key was written to \(path)",
        advice: "“postern key show --key \(path)” prints its public half."))
  }

  private func makeKey() throws -> KeyFile {
    guard let importPath else { return try KeyFile.random(role: role, name: name) }
    var bytes = try InputFile.read(importPath, byteCountLimit: 1_024)
    return try KeyFile.importing(role: role, name: name, bytes: &bytes)
  }

  private func path() throws -> String {
    if let out { return out }
    let isPlain =
      !".-".contains(name.first ?? ".") && name.allSatisfy { $0.isLetter || $0.isNumber || "-_.@ ".contains($0) }
    guard isPlain else {
      throw ValidationError("The name “\(name)” makes no good file name; say where the key goes, such as --out my.key.")
    }
    return name.replacing(" ", with: "-") + ".key"
  }
}
