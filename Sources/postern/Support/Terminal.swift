import Core
import Glibc
import Sodium

/// The terminal that the process was started from, whatever its standard input is.
struct Terminal: ~Copyable {
  /// The longest answer, in bytes.
  private static let byteCountLimit = 1_024

  private let descriptor: CInt

  /// The terminal; nil where there is none.
  init?() {
    let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
  }

  deinit { _ = close(descriptor) }

  /// Asks, and returns what was typed up to the line's end.
  borrowing func ask(_ question: String) -> String {
    show(question)
    var answer: [UInt8] = []
    while let byte = readByte(), byte != UInt8(ascii: "\n"), answer.count < Terminal.byteCountLimit {
      answer.append(byte)
    }
    return String(decoding: answer, as: UTF8.self)
  }

  /// Asks for a secret and shows nothing of what is typed.
  ///
  /// Keys are read one by one and an interrupt is one of them, so that the terminal is itself again whatever is
  /// typed.
  ///
  /// - Returns: nil where nothing was typed, or Ctrl-C or Ctrl-D.
  borrowing func askSecret(_ question: String) -> SecretBytes? {
    var before = termios()
    guard tcgetattr(descriptor, &before) == 0 else { return nil }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
    show(question)
    guard tcsetattr(descriptor, TCSAFLUSH, &silent) == 0 else { return nil }
    defer {
      _ = tcsetattr(descriptor, TCSAFLUSH, &before)
      show("\n")
    }
    var typed: [UInt8] = []
    // Reserved, so that growing leaves no copy behind that nothing wipes.
    typed.reserveCapacity(Terminal.byteCountLimit)
    defer { wipe(&typed) }
    while let byte = readByte(), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") {
      switch byte {
      case 3, 4: return nil
      case 8, 127: _ = typed.popLast()
      default: if typed.count < Terminal.byteCountLimit { typed.append(byte) }
      }
    }
    return typed.isEmpty ? nil : SecretBytes(consuming: &typed)
  }

  private func show(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
  }

  private func readByte() -> UInt8? {
    var byte: UInt8 = 0
    return read(descriptor, &byte, 1) == 1 ? byte : nil
  }
}
