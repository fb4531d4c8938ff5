import Core
import Glibc
import Records

/// Where a command speaks: results to standard output, everything for a person to standard error.
enum Console {
  /// Whether a person reads along: progress and questions are for nobody else.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// A result: what a pipe gets.
  static func say(_ text: String) {
    write(visible(text) + "\n", to: STDOUT_FILENO)
  }

  /// Bytes as they are.
  static func say(_ bytes: [UInt8]) {
    write(bytes, to: STDOUT_FILENO)
  }

  /// A remark: what the person at the terminal reads, and no pipe gets.
  static func note(_ text: String) {
    write(visible(text) + "\n", to: STDERR_FILENO)
  }

  /// Replaces the terminal's line; the next ``note(_:)`` writes over it.
  static func redraw(_ line: String) {
    write("\r\u{1B}[2K" + visible(line), to: STDERR_FILENO)
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
  private static func visible(_ text: String) -> String {
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

  private static func write(_ text: String, to descriptor: CInt) {
    write(Array(text.utf8), to: descriptor)
  }

  private static func write(_ bytes: [UInt8], to descriptor: CInt) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      // Whoever read has gone: there is nobody left to tell.
      guard count > 0 || errno == EINTR else { return }
      rest = rest.dropFirst(max(0, count))
    }
  }
}
