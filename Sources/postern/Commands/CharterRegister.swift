import ArgumentParser
import Client
import Core
import Merkle
import Records
import Trust

/// `postern charter register`: sends a signed charter to its home archive and keeps the receipt.
struct CharterRegister: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "register", abstract: "Register a charter that every member has signed.")

  @Argument(help: ArgumentHelp("The charter's file.", valueName: "charter"))
  var file: String

  @Option(
    help: ArgumentHelp("The key of the first member that the charter names; - is standard input.", valueName: "file"))
  var key: String

  @Option(help: ArgumentHelp("Where the receipt goes (CHARTER.tlog-proof where none is given).", valueName: "file"))
  var receipt: String?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let app: String
    let leafIndex: UInt64
    let receiptPath: String
  }

  private func register(_ registration: CharterRegistration) async throws -> Receipt {
    do {
      return try await ArchiveConnection.open(archive.address()) { connection in
        try await connection.register(
          leaf: registration.leaf, charter: registration.charter, signatures: registration.signatures)
      }
    } catch let error as PosternError where error.code == .storageFull {
      // An archive whose disk is full speaks of pushes.
      throw PosternError(
        error.code, error.message, advice: "Tell the archive's operator, and register the charter again later.")
    }
  }

  func run() async throws {
    let path = receipt ?? "\(file).tlog-proof"
    // A receipt that has no place is found out before the charter is registered for ever.
    try OutputFile.requireFolder(of: path)
    let charter = try CharterFile.read(file)
    let registration = try charter.registration(by: try KeyFile.read(key, as: .member, passphrase))
    let answer = try await register(registration)
    guard answer.proven.leaf == registration.leaf else {
      throw PosternError(
        .receiptLeaf, "The archive's receipt is for another record than the one that was sent.",
        advice: "Do not rely on this archive.")
    }
    _ = try answer.verify(log: charter.charter.home)
    do throws(PosternError) {
      try OutputFile.write(answer.bytes, to: path, replacing: true)
    } catch {
      throw PosternError(
        error.code, "The charter is registered, and only its receipt was not kept. \(error.message)",
        advice: error.advice)
    }
    let app = charter.charter.digest.hex
    let deed = Console.Deed(
      sentence: "The charter is registered, and its receipt is in \(path)",
      advice: "“postern charter show” prints the application's id.")
    if json {
      try Console.say(try Output(app: app, leafIndex: answer.proven.index, receiptPath: path).json, after: deed)
    } else {
      Console.note("Registered as entry \(answer.proven.index) of \(charter.charter.home.name); receipt in \(path).")
      try Console.answer(app, called: "application", after: deed)
    }
  }
}
