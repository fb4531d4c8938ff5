import ArgumentParser
import Client
import Core
import Foundation

/// Options from a TOML file, put behind those of the command line: flags win.
///
/// The table of a command holds its options by their long names (`[push]`, `[charter.register]`); `archive`,
/// `tls` and `tls-ca` may also stand before all tables, for every command that asks an archive.
enum ConfigFile {
  private static let option = "--config"
  private static let shared = ["archive", "tls", "tls-ca"]
  private static let byteCountLimit = 1 << 20

  /// The arguments with what the config file adds.
  ///
  /// - Throws: `settings.*`, `file.*`.
  static func complete(_ arguments: [String]) throws(PosternError) -> [String] {
    guard let path = path(in: arguments) else { return arguments }
    let text = try InputFile.read(path, byteCountLimit: byteCountLimit)
    let document = try SettingsEntry(toml: text)
    let (command, words) = command(of: arguments)
    var added: [String] = []
    if command.self is any AsksArchive.Type {
      for name in shared where !isGiven(name, arguments) {
        guard let entry = try document[name] else { continue }
        added += try options(name, entry)
      }
    }
    var table = document
    for word in words {
      guard let next = try table[word] else { return arguments + added }
      table = next
    }
    for (name, entry) in try table.table() where !isGiven(name, arguments) {
      // A table inside is another command's.
      if case .table = entry.value { continue }
      added += try options(name, entry)
    }
    return arguments + added
  }

  private static func path(in arguments: [String]) -> String? {
    if let index = arguments.firstIndex(of: option), index + 1 < arguments.count { return arguments[index + 1] }
    return arguments.first { $0.hasPrefix(option + "=") }.map { String($0.dropFirst(option.count + 1)) }
  }

  /// Whether the command line has an option, or the environment speaks for it.
  private static func isGiven(_ name: String, _ arguments: [String]) -> Bool {
    if name == "archive", ProcessInfo.processInfo.environment[ArchiveOptions.variable] != nil { return true }
    return arguments.contains { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }
  }

  /// The command that the arguments name, and its words.
  private static func command(of arguments: [String]) -> (any ParsableCommand.Type, [String]) {
    var command: any ParsableCommand.Type = Postern.self
    var words: [String] = []
    for word in arguments {
      let next = command.configuration.subcommands.first { $0.configuration.commandName == word }
      guard let next else { break }
      command = next
      words.append(word)
    }
    return (command, words)
  }

  private static func options(_ name: String, _ entry: SettingsEntry) throws(PosternError) -> [String] {
    switch entry.value {
    case .flag(let isOn): return isOn ? ["--\(name)"] : []
    case .text(let text): return ["--\(name)", text]
    case .number(let number): return ["--\(name)", String(number)]
    case .list:
      var options: [String] = []
      for element in try entry.list() { options += try self.options(name, element) }
      return options
    case .table, .other: throw entry.refusal("is none that an option can have")
    }
  }
}

/// A command that takes ``ArchiveOptions``.
protocol AsksArchive {}
