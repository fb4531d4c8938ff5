import ArgumentParser
import Core
import Foundation

/// The commands with their options, as the parser describes them to programs: what a config file can speak of.
struct CommandTree: Decodable {
  /// An option, a flag or an argument of a command.
  struct Argument: Decodable {
    private let kind: String
    private let names: [Name]?
    let isRepeating: Bool

    private struct Name: Decodable {
      let kind: String
      let name: String
    }

    /// The name with two dashes; empty for what has none.
    var longName: String { names?.first { $0.kind == "long" }?.name ?? "" }

    var isFlag: Bool { kind == "flag" }

    /// Whether a config file may have it.
    var isSettable: Bool { kind != "positional" && !["", "help", "version", "config"].contains(longName) }
  }

  let commandName: String
  private let subcommands: [CommandTree]?
  private let arguments: [Argument]?

  private struct Tool: Decodable {
    let command: CommandTree
  }

  /// The program's commands.
  ///
  /// - Throws: `settings.entry` where the parser describes them in a way that this version does not know.
  static func all() throws(PosternError) -> CommandTree {
    do {
      return try JSONDecoder().decode(Tool.self, from: Data(Postern._dumpHelp().utf8)).command
    } catch {
      throw PosternError(
        .settingsEntry, "This build of the program cannot take options from a file: \(error).",
        advice: "Give them on the command line.")
    }
  }

  /// What a config file may say for this command.
  var options: [Argument] { (arguments ?? []).filter(\.isSettable) }

  private var commands: [CommandTree] { (subcommands ?? []).filter { $0.commandName != "help" } }

  /// The command with these words; nil where there is none.
  subscript(words: [String]) -> CommandTree? {
    var command: CommandTree? = self
    for word in words { command = command?.commands.first { $0.commandName == word } }
    return command
  }

  /// The words that arguments begin with and that name a command.
  func words(of arguments: [String]) -> [String] {
    guard let word = arguments.first, let command = self[[word]] else { return [] }
    return [word] + command.words(of: Array(arguments.dropFirst()))
  }

  /// Refuses what no command of the program would take: most often a slip of the pen.
  ///
  /// Every table is looked at and not only the one of the command that runs, so that a slip does not wait for the day
  /// on which it matters.
  ///
  /// - Throws: `settings.entry`.
  func check(_ document: SettingsEntry) throws(PosternError) {
    try check(document, words: [], in: self)
  }

  private func check(_ table: SettingsEntry, words: [String], in root: CommandTree) throws(PosternError) {
    let shared = words.isEmpty ? ConfigFile.shared : []
    for (name, entry) in try table.table() {
      if case .table = entry.value, let command = commands.first(where: { $0.commandName == name }) {
        try command.check(entry, words: words + [name], in: root)
      } else if let option = options.first(where: { $0.longName == name }) {
        try option.check(entry)
      } else if shared.contains(name) {
        try root.option(name)?.check(entry)
      } else {
        throw entry.refusal(root.reason(against: name, entry, in: words))
      }
    }
  }

  /// Why an entry is refused; goes on after its name.
  private func reason(against name: String, _ entry: SettingsEntry, in words: [String]) -> String {
    if case .table = entry.value { return "is no command of postern" + known(in: words) }
    let homes = tables(with: name).map { "[\($0)]" }
    if homes.isEmpty { return "is no option of postern" + known(in: words) }
    let table =
      words.isEmpty ? "stands outside of any command's table" : "is no option of “\(words.joined(separator: " "))”"
    return "\(table); it belongs into \(homes.joined(separator: " or "))"
  }

  private func known(in words: [String]) -> String {
    guard let command = self[words] else { return "" }
    let names = command.options.map(\.longName) + (words.isEmpty ? ConfigFile.shared : [])
    let all = names + command.commands.map { "[\((words + [$0.commandName]).joined(separator: "."))]" }
    return "; known here are \(all.joined(separator: ", "))"
  }

  /// The tables of all commands that have an option.
  private func tables(with name: String) -> [String] {
    commands.flatMap { command in
      let own = command.options.contains { $0.longName == name } ? [command.commandName] : []
      return own + command.tables(with: name).map { "\(command.commandName).\($0)" }
    }
  }

  /// An option of whatever command has it.
  private func option(_ name: String) -> Argument? {
    options.first { $0.longName == name } ?? commands.lazy.compactMap { $0.option(name) }.first
  }
}

extension CommandTree.Argument {
  /// Refuses a value that this option cannot have.
  fileprivate func check(_ entry: SettingsEntry) throws(PosternError) {
    switch entry.value {
    case .flag where isFlag, .text where !isFlag, .number where !isFlag: return
    case .list where isRepeating:
      for element in try entry.list() { try check(element) }
    default:
      let kind =
        isFlag ? "true or false" : isRepeating ? "a list of texts in quotes" : "a text in quotes or a whole number"
      throw entry.refusal("is not of the right kind: the option --\(longName) takes \(kind)")
    }
  }
}
