import ArgumentParser
import Client
import Core
import Foundation

/// Options from a TOML file, put behind those of the command line: flags win (`Schema/config.md`).
struct ConfigFile {
  private static let option = "--config"
  /// What may also stand before all tables, for every command that asks an archive.
  static let shared = ["archive", "tls", "tls-ca"]
  /// What names a folder in the place of an archive, and so all of the above.
  private static let folder = "from"
  private static let byteCountLimit = 1 << 20

  /// An option that the file gave, and its entry's place there.
  private struct Given {
    let argument: String
    let name: String
    let entry: String
  }

  private let path: String
  private let given: [Given]
  /// The arguments with what the file adds.
  let arguments: [String]

  /// Completes the arguments of the command line; nil where they name no config file.
  ///
  /// - Throws: `settings.*` naming file and entry, `file.*`.
  init?(completing arguments: [String]) throws(PosternError) {
    let own = arguments.prefix { $0 != "--" }
    guard let path = ConfigFile.path(in: Array(own)) else { return nil }
    let bytes = try InputFile.read(path, byteCountLimit: ConfigFile.byteCountLimit)
    let document = try SettingsEntry(toml: bytes, of: path)
    let commands = try CommandTree.all()
    try commands.check(document)
    let words = commands.words(of: arguments)
    self.path = path
    given = try ConfigFile.options(for: words, of: commands, in: document).filter { given in
      !ConfigFile.isGiven(given.name, own)
    }
    // Right behind the command's words: after `--`, everything is an argument and no option.
    self.arguments = words + given.map(\.argument) + arguments.dropFirst(words.count)
  }

  /// Which options of the file a usage error of the parser is about; nil where it is about none.
  func remark(on message: String) -> String? {
    let words = message.split { !($0.isLetter || $0.isNumber || $0 == "-") }
    let entries = given.filter { words.contains("--\($0.name)") }.map { "“\($0.entry)”" }
    guard !entries.isEmpty else { return nil }
    return "The file “\(path)” gave this option: look at its entry \(entries.joined(separator: ", "))."
  }

  private static func path(in arguments: [String]) -> String? {
    var path: String?
    // The last one counts, as it does for the parser.
    for (word, next) in zip(arguments, arguments.dropFirst() + [""]) {
      if word == option, !next.isEmpty { path = next }
      if word.hasPrefix(option + "=") { path = String(word.dropFirst(option.count + 1)) }
    }
    return path
  }

  /// Whether the command line has an option, or the environment speaks for it.
  private static func isGiven(_ name: String, _ arguments: some Sequence<String>) -> Bool {
    if name == "archive", ProcessInfo.processInfo.environment[ArchiveOptions.variable] != nil { return true }
    // An archive and a folder take each other's place: whichever the command line names stands.
    let others = name == folder ? shared : shared.contains(name) ? [folder] : []
    return ([name] + others).contains { name in
      arguments.contains { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }
    }
  }

  /// What a checked file says for one command: its own table before what stands above all tables.
  private static func options(
    for words: [String], of commands: CommandTree, in document: SettingsEntry
  ) throws(PosternError) -> [Given] {
    guard let command = commands[words] else { return [] }
    var table: SettingsEntry? = document
    for word in words { table = try table?[word] }
    var entries: [(name: String, entry: SettingsEntry)] = []
    for argument in command.options {
      let name = argument.longName
      var entry = try table?[name]
      if entry == nil, shared.contains(name), try table?[folder] == nil, let common = try document[name] {
        // “archive” is a command too, and its table no address.
        if case .table = common.value {} else { entry = common }
      }
      if let entry { entries.append((name, entry)) }
    }
    var given: [Given] = []
    for (name, entry) in entries {
      given += try values(entry).map { Given(argument: "--\(name)\($0)", name: name, entry: entry.path) }
    }
    return given
  }

  /// What follows an option's name, once for each time that it is given.
  private static func values(_ entry: SettingsEntry) throws(PosternError) -> [String] {
    switch entry.value {
    case .flag(let isOn): return isOn ? [""] : []
    case .text(let text): return ["=" + text]
    case .number(let number): return ["=\(number)"]
    case .list:
      var all: [String] = []
      for element in try entry.list() { all += try values(element) }
      return all
    case .table, .other: throw entry.refusal("is none that an option can have")
    }
  }
}
