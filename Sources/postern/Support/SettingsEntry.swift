import Core
import TOMLKit

/// An entry of a TOML file with its place in it, so that whatever is wrong with it can be named.
struct SettingsEntry {
  /// What an entry can be.
  indirect enum Value {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([Value])
    case table([String: Value])
    /// A date, a time or a fraction, which no setting is.
    case other
  }

  /// What stands there.
  let value: Value
  /// Where: `recovery.of[2].weight`; empty for the whole file.
  let path: String
  /// The file that it stands in.
  private let file: String

  private init(_ value: Value, _ path: String, _ file: String) {
    self.value = value
    self.path = path
    self.file = file
  }

  /// The whole of a file.
  ///
  /// - Parameter file: its name, for whatever is wrong with it.
  /// - Throws: `settings.syntax`, with the line.
  init(toml bytes: [UInt8], of file: String) throws(PosternError) {
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw SettingsEntry.noTOML(file, "it is no text")
    }
    do {
      self.init(Value(try TOMLTable(string: text)), "", file)
    } catch let error as TOMLParseError {
      throw SettingsEntry.noTOML(file, "line \(error.source.begin.line): \(error.description)")
    } catch {
      throw SettingsEntry.noTOML(file, "\(error)")
    }
  }

  private static func noTOML(_ file: String, _ reason: String) -> PosternError {
    PosternError(
      .settingsSyntax, "The file “\(file)” is no TOML: \(reason).", advice: "Correct it (https://toml.io).")
  }

  /// An error about this entry.
  ///
  /// - Parameter what: goes on after the entry's name.
  func refusal(_ what: String) -> PosternError {
    let name = path.isEmpty ? "The file “\(file)”" : "In “\(file)”, the entry “\(path)”"
    return PosternError(.settingsEntry, "\(name) \(what).", advice: "Correct it and try again.")
  }

  /// The entry as text.
  func text() throws(PosternError) -> String {
    guard case .text(let text) = value else { throw refusal("is no text in quotes") }
    return text
  }

  /// The entry as a whole number in a range.
  func number(in range: ClosedRange<Int>) throws(PosternError) -> Int {
    guard case .number(let number) = value, range.contains(number) else {
      throw refusal("is no whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The entry as a list.
  func list() throws(PosternError) -> [SettingsEntry] {
    guard case .list(let values) = value else { throw refusal("is no list") }
    return values.enumerated().map { SettingsEntry($0.element, "\(path)[\($0.offset)]", file) }
  }

  /// The entry as a table, its entries in the order of their names.
  func table() throws(PosternError) -> [(name: String, entry: SettingsEntry)] {
    guard case .table(let values) = value else { throw refusal("is no table") }
    return values.sorted { $0.key < $1.key }.map { ($0.key, SettingsEntry($0.value, place($0.key), file)) }
  }

  /// Refuses a table that has an entry which nobody reads: most often a slip of the pen.
  func allow(_ names: [String]) throws(PosternError) {
    for (name, entry) in try table() where !names.contains(name) {
      throw entry.refusal("is unknown; known are \(names.joined(separator: ", "))")
    }
  }

  /// An entry of this table; nil where there is none.
  subscript(name: String) -> SettingsEntry? {
    get throws(PosternError) {
      guard case .table(let values) = value else { throw refusal("is no table") }
      return values[name].map { SettingsEntry($0, place(name), file) }
    }
  }

  /// An entry of this table that has to be there.
  func required(_ name: String) throws(PosternError) -> SettingsEntry {
    guard let entry = try self[name] else { throw SettingsEntry(.other, place(name), file).refusal("is missing") }
    return entry
  }

  private func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

extension SettingsEntry.Value {
  /// A copy of what the parser holds, whose own values are pointers into its tree.
  fileprivate init(_ value: any TOMLValueConvertible) {
    switch value.type {
    case .string: self = value.string.map { .text($0) } ?? .other
    case .int: self = value.int.map { .number($0) } ?? .other
    case .bool: self = value.bool.map { .flag($0) } ?? .other
    case .array: self = .list(value.array?.map { Self($0) } ?? [])
    case .table:
      guard let table = value.table else {
        self = .other
        return
      }
      self = Self(table)
    case .double, .date, .time, .dateTime: self = .other
    }
  }

  fileprivate init(_ table: TOMLTable) {
    var values: [String: Self] = [:]
    for key in table.keys { values[key] = table[key].map { Self($0) } }
    self = .table(values)
  }
}
