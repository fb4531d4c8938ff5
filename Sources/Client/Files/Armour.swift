public import Core
import Sodium

/// A file that people hand on: text that survives a mail, with its kind on the first line.
///
/// ```
/// -----BEGIN POSTERN KIND-----
/// name: value
///
/// base 64 in lines of 76
/// -----END POSTERN KIND-----
/// ```
/// Header lines and the blank line after them stand there only where the kind has headers. There is one
/// spelling: what ``init(parsing:expecting:)`` takes is what ``text`` gives, but for the last line's end.
public struct Armour: Hashable, Sendable {
  /// What an armoured file is.
  public struct Kind: Hashable, Sendable {
    /// The words between the dashes, in capitals.
    public let label: String
    /// The most bytes that its body may have.
    public let byteCountLimit: Int

    /// A kind of file.
    ///
    /// - Parameters:
    ///   - label: the words between the dashes, in capitals.
    ///   - byteCountLimit: the most bytes that its body may have.
    public init(_ label: String, byteCountLimit: Int) {
      self.label = label
      self.byteCountLimit = byteCountLimit
    }

    /// The most bytes that the text may have: a third more than the body, line ends, and the headers.
    public var textByteCountLimit: Int { byteCountLimit / 2 * 3 + 8_192 }

    fileprivate var begin: [UInt8] { Array("-----BEGIN POSTERN \(label)-----".utf8) }
    fileprivate var end: [UInt8] { Array("-----END POSTERN \(label)-----".utf8) }
  }

  /// A line before the body.
  public struct Header: Hashable, Sendable {
    /// Lower-case letters and hyphens.
    public let name: String
    /// Anything on one line.
    public let value: String

    /// A header line.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The most header lines.
  static let headerLimit = 16
  private static let columns = 76

  /// What the file is.
  public let kind: Kind
  /// The lines before the body, in order.
  public let headers: [Header]
  /// The bytes inside, at least one.
  public internal(set) var body: [UInt8]

  /// A file from its parts.
  public init(_ kind: Kind, headers: [Header] = [], body: [UInt8]) {
    self.kind = kind
    self.headers = headers
    self.body = body
  }

  /// The file's bytes.
  ///
  /// The body may be a secret: nothing of it is left in memory but this array, which the caller wipes.
  public var text: [UInt8] {
    var text = kind.begin + [newline]
    for header in headers { text += Array("\(header.name): \(header.value)\n".utf8) }
    if !headers.isEmpty { text.append(newline) }
    var digits = Base64.encode(body)
    defer { wipe(&digits) }
    let end = kind.end + [newline]
    // Reserved, so that growing leaves no copy behind that nothing wipes.
    text.reserveCapacity(text.count + digits.count + digits.count / Armour.columns + 1 + end.count)
    for start in stride(from: 0, to: digits.count, by: Armour.columns) {
      text += digits[start..<min(start + Armour.columns, digits.count)]
      text.append(newline)
    }
    text += end
    return text
  }

  /// The value of a header; nil where there is no such line.
  public func value(_ name: String) -> String? {
    headers.first { $0.name == name }?.value
  }
}

extension Armour {
  /// Reads a file of one kind.
  ///
  /// - Parameters:
  ///   - text: the whole file; the end of its last line may be missing, as a terminal or a token leaves it.
  ///   - kind: what it has to be.
  /// - Throws: `armour.kind`, `armour.malformed`, `file.too-large`.
  public init(parsing text: [UInt8], expecting kind: Kind) throws(PosternError) {
    guard text.count <= kind.textByteCountLimit else {
      throw .tooLarge("POSTERN \(kind.label) file", kind.textByteCountLimit)
    }
    // Its kind first: of a picture or a program, nobody wants to hear about line ends.
    guard text.starts(with: kind.begin) else { throw Armour.wrongKind(text, expected: kind) }
    guard !text.contains(UInt8(ascii: "\r")) else {
      throw .malformedArmour("The file has line ends of another system.")
    }
    var lines = text.split(separator: newline, omittingEmptySubsequences: false)[...]
    if lines.last?.isEmpty == true { lines.removeLast() }
    guard let first = lines.popFirst(), first.elementsEqual(kind.begin) else {
      throw Armour.wrongKind(text, expected: kind)
    }
    guard let last = lines.popLast(), last.elementsEqual(kind.end) else {
      throw .malformedArmour("The file lacks its last line, “\(String(decoding: kind.end, as: UTF8.self))”.")
    }
    self.kind = kind
    headers = try Armour.readHeaders(from: &lines)
    body = try Armour.decode(lines)
    guard body.count <= kind.byteCountLimit else { throw .tooLarge("POSTERN \(kind.label) file", kind.byteCountLimit) }
  }

  /// Takes header lines and the blank line after them off the front; nothing where there are none.
  private static func readHeaders(
    from lines: inout ArraySlice<ArraySlice<UInt8>>
  ) throws(PosternError) -> [Header] {
    guard let end = lines.firstIndex(where: \.isEmpty) else { return [] }
    let count = end - lines.startIndex
    guard (1...headerLimit).contains(count) else { throw .malformedArmour("The file has no headers, or too many.") }
    var headers: [Header] = []
    for line in lines[..<end] {
      let header = try readHeader(line)
      guard !headers.contains(where: { $0.name == header.name }) else {
        throw .malformedArmour("The header “\(header.name)” stands twice.")
      }
      headers.append(header)
    }
    lines = lines[(end + 1)...]
    return headers
  }

  private static func readHeader(_ line: ArraySlice<UInt8>) throws(PosternError) -> Header {
    guard let text = String(validating: line, as: UTF8.self), let colon = line.firstIndex(of: UInt8(ascii: ":")),
      colon > line.startIndex, line[line.startIndex..<colon].allSatisfy(isNameByte),
      line[(colon + 1)...].first == UInt8(ascii: " ")
    else { throw .malformedArmour("A header is not of the form “name: value”.") }
    let utf8 = text.utf8
    let name = String(decoding: line[line.startIndex..<colon], as: UTF8.self)
    return Header(name, String(decoding: utf8.dropFirst(name.utf8.count + 2), as: UTF8.self))
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "-")
  }

  /// The body: every line full but the last, which is not empty.
  private static func decode(_ lines: ArraySlice<ArraySlice<UInt8>>) throws(PosternError) -> [UInt8] {
    guard !lines.isEmpty else { throw .malformedArmour("The file is empty.") }
    var digits: [UInt8] = []
    digits.reserveCapacity(lines.count * columns)
    for (index, line) in zip(lines.indices, lines) {
      let isLast = index == lines.endIndex - 1
      guard isLast ? (1...columns).contains(line.count) : line.count == columns else {
        throw .malformedArmour("A line of the file is too long, too short or empty.")
      }
      digits += line
    }
    defer { wipe(&digits) }
    guard let body = Base64.decode(digits[...]) else {
      throw .malformedArmour("The file holds characters that are no base 64, or some are missing.")
    }
    return body
  }

  /// Another kind than the one expected; says which one it is where that is plain.
  private static func wrongKind(_ text: [UInt8], expected: Kind) -> PosternError {
    let line = String(decoding: text.prefix(while: { $0 != newline }).prefix(64), as: UTF8.self)
    let prefix = "-----BEGIN POSTERN "
    guard line.hasPrefix(prefix), line.hasSuffix("-----") else {
      return PosternError(
        .armourKind, "This is not a POSTERN \(expected.label) file.",
        advice: "Give the file that starts with “\(String(decoding: expected.begin, as: UTF8.self))”.")
    }
    return PosternError(
      .armourKind, "This is a POSTERN \(line.dropFirst(prefix.count).dropLast(5)) file, not a \(expected.label) file.",
      advice: "Give the file that starts with “\(String(decoding: expected.begin, as: UTF8.self))”.")
  }
}

extension PosternError {
  /// An armoured file that is not what this program writes.
  static func malformedArmour(_ message: String) -> PosternError {
    PosternError(.armourMalformed, message, advice: "Take another copy of the file, whole and unchanged.")
  }

  /// A file that is larger than its kind may be.
  static func tooLarge(_ what: String, _ limit: Int) -> PosternError {
    PosternError(
      .fileTooLarge, "A \(what) has at most \(limit) bytes, and this one has more.",
      advice: "Check that it is the right file.")
  }
}

/// The byte that ends each line.
let newline = UInt8(ascii: "\n")
