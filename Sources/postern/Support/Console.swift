import Core
import Glibc
import Records

/// Where a command speaks: results to standard output, everything for a person to standard error.
enum Console {
  /// Whether a person reads along: progress and questions are for nobody else.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// What stands although its result could not be printed.
  struct Deed {
    /// What was done, without a full stop: `The archive was made in x`.
    let sentence: String
    /// How to see the result again.
    let advice: String
  }

  /// A result: what a pipe gets.
  ///
  /// - Parameter deed: what stands whether or not the result can be printed.
  /// - Throws: `console.output`.
  static func say(_ text: String, after deed: Deed? = nil) throws(PosternError) {
    try say(Array((visible(text) + "\n").utf8), after: deed)
  }

  /// Bytes as they are.
  ///
  /// - Throws: `console.output`.
  static func say(_ bytes: [UInt8], after deed: Deed? = nil) throws(PosternError) {
    let number = write(bytes, to: STDOUT_FILENO)
    if number != 0 { throw .unprinted(number, after: deed) }
  }

  /// A single value: alone where a pipe gets it, with what it is where a person does.
  ///
  /// - Throws: `console.output`.
  static func answer(_ value: String, called label: String, after deed: Deed? = nil) throws(PosternError) {
    try say(isatty(STDOUT_FILENO) == 1 ? "\(label): \(value)" : value, after: deed)
  }

  /// A line of a list, of which a reader may take as many as it likes.
  ///
  /// - Returns: false where the reader of a pipe has gone, so that nobody wants the rest.
  /// - Throws: `console.output`.
  static func list(_ line: String) throws(PosternError) -> Bool {
    let number = write(Array((visible(line) + "\n").utf8), to: STDOUT_FILENO)
    guard number == 0 || number == EPIPE else { throw .unprinted(number, after: nil) }
    return number == 0
  }

  /// A remark: what the person at the terminal reads, and no pipe gets; lost where nobody can be told.
  static func note(_ text: String) {
    _ = write(Array((visible(text) + "\n").utf8), to: STDERR_FILENO)
  }

  /// Replaces the terminal's line; the next ``note(_:)`` writes over it.
  static func redraw(_ line: String) {
    _ = write(Array(("\r\u{1B}[2K" + visible(line)).utf8), to: STDERR_FILENO)
  }

  /// Asks the person at the terminal a question that only y or yes answers in the affirmative.
  ///
  /// - Throws: `console.no-terminal` where there is nobody to ask.
  static func confirm(_ question: String) throws(PosternError) -> Bool {
    guard isTerminal, let terminal = Terminal() else {
      throw PosternError(
        .consoleNoTerminal, "There is no terminal to ask on.", advice: "Say --yes if you have checked what is shown.")
    }
    let answer = terminal.ask(question + " [y/N] ")
    return ["y", "yes"].contains(answer.lowercased())
  }

  /// A text in which nothing speaks to the terminal instead of the person.
  ///
  /// What an archive answers, and the names in a charter, are other people's: a control character in them could clear
  /// the screen, and a mark that turns the direction of writing could make one thing read like another.
  static func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnseen) else { return text }
    var shown = ""
    for scalar in text.unicodeScalars {
      if isUnseen(scalar) {
        shown += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  private static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
    scalar != "\n" && scalar != "\t" && Charter.isUnseen(scalar)
  }

  /// Writes all bytes; returns 0, or why the rest could not be written: `errno`.
  private static func write(_ bytes: [UInt8], to descriptor: CInt) -> CInt {
    bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        guard count > 0 || errno == EINTR else { return errno }
        done += max(0, count)
      }
      return 0
    }
  }
}

extension PosternError {
  /// A result that standard output did not take.
  fileprivate static func unprinted(_ number: CInt, after deed: Console.Deed?) -> PosternError {
    let reason = String(cString: strerror(number))
    guard let deed else {
      return PosternError(
        .consoleOutput, "The result could not be written to standard output: \(reason).",
        advice: "Look where the output goes, and run the command again.")
    }
    return PosternError(
      .consoleOutput,
      "\(deed.sentence); only the result could not be written to standard output: \(reason).", advice: deed.advice)
  }
}
