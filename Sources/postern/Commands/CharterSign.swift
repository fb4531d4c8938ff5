import ArgumentParser
import Client
import Core
import Records

/// `postern charter sign`: adds a member's signature to a charter's file.
struct CharterSign: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign", abstract: "Sign a charter as one of its members.")

  @Argument(help: ArgumentHelp("The charter's file; the signature is put into it.", valueName: "charter"))
  var file: String

  @Option(help: ArgumentHelp("The member's key; - is standard input.", valueName: "file"))
  var key: String

  @Flag(help: "Sign without asking.")
  var yes = false

  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    var charter = try CharterFile.read(file)
    let key = try KeyFile.read(key, as: .member, passphrase)
    _ = try charter.memberNumber(of: key)
    Console.note(CharterSummary(charter).text)
    guard try yes || Console.confirm("Sign it as “\(key.name)”?") else { throw PosternError.declined }
    try charter.sign(with: key)
    try OutputFile.write(charter.text, to: file, replacing: true)
    let missing = charter.missing.map(\.name)
    Console.note(
      missing.isEmpty
        ? "Signed by every member. “\(charter.charter.members[0].name)” registers it: "
          + "postern charter register \(file) --key MEMBER.key"
        : "Signed. Still missing: \(missing.joined(separator: ", ")).")
  }
}
