import Client
import Glibc
import Synchronization

/// A command that says how to go on where it was interrupted.
protocol Interruptible {
  /// The remark.
  static var interrupted: String { get }
}

/// Ctrl-C, SIGTERM and SIGHUP: what has no name yet is removed before they end the process, as they would have.
enum Interruption {
  /// Whether a line of progress was drawn, behind which the shell's prompt shall not stand.
  static let endsLine = Atomic(false)

  private static let remark = Mutex<String?>(nil)
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  /// The ends of a pipe: what interrupts any other code may write a byte, and little else.
  private static let reading = Atomic<CInt>(-1)
  private static let writing = Atomic<CInt>(-1)

  /// Begins to watch for the signals; called once.
  ///
  /// Whoever started this process with some of them ignored, as `nohup` does, goes on having them ignored. Without a
  /// descriptor or a thread to spare, they end the process as they always do.
  ///
  /// - Parameter remark: said before the process ends; nil for nothing.
  static func watch(saying remark: String?) {
    self.remark.withLock { $0 = remark }
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    reading.store(ends[0], ordering: .relaxed)
    writing.store(ends[1], ordering: .relaxed)
    var thread = pthread_t()
    let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
      Interruption.wait()
      return nil
    }
    guard pthread_create(&thread, nil, main, nil) == 0 else { return }
    for number in signals where isStandard(number) {
      _ = signal(number) { number in
        let before = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(Interruption.writing.load(ordering: .relaxed), &byte, 1)
        errno = before
      }
    }
  }

  private static func isStandard(_ number: CInt) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0, case .none = action.__sigaction_handler.sa_handler else { return false }
    return true
  }

  /// Whether a line can be written without waiting for whoever reads: that must not hold up the end.
  private static var canSpeak: Bool {
    var errors = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    return poll(&errors, 1, 0) == 1 && errors.revents & Int16(POLLOUT) != 0
  }

  private static func wait() {
    var byte: UInt8 = 0
    while read(reading.load(ordering: .relaxed), &byte, 1) != 1 { guard errno == EINTR else { return } }
    let number = CInt(byte)
    if endsLine.load(ordering: .relaxed) { _ = write(STDERR_FILENO, "\n", 1) }
    if canSpeak, let remark = remark.withLock({ $0 }) { Console.note(remark) }
    // Whoever presses once more shall not leave half of a state behind; SIGKILL ends the process at once.
    Leftovers.ofProcess.discardAll {
      _ = signal(number, SIG_DFL)
      var set = sigset_t()
      sigemptyset(&set)
      sigaddset(&set, number)
      // The thread that started this one may have held it back.
      pthread_sigmask(SIG_UNBLOCK, &set, nil)
      raise(number)
      // Not reached: the signal's action is to end the process.
      _exit(128 + number)
    }
  }
}
