import Foundation
import Glibc
import Synchronization

/// A program that runs beside the tests, ended by its process id when the value goes away.
///
/// Waiting blocks no thread, so that other tests go on; meanwhile the child's peak memory is looked up.
final class Child: Sendable {
  /// Why a child could not be started, or did not end.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Its process id.
  let pid: pid_t
  private let name: String
  private let state = Mutex(State())

  private struct State {
    var status: Int32?
    var peakByteCount = 0
  }

  private static let pollMilliseconds = 5
  private static let env = "/usr/bin/env"

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - path: the program, or its name.
  ///   - arguments: what it gets, without its own name.
  ///   - environment: all of its environment.
  ///   - folder: where it runs.
  ///   - descriptors: its standard input, output and errors.
  init(
    _ path: String, _ arguments: [String], environment: [String: String], folder: String, descriptors: [Descriptor]
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor.number, Int32(number))
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A program from a shell has the usual signals, whatever this process ignores or this thread holds back.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // A group of its own, so that what a shell starts can be ended with it.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    // `env` changes the folder, which posix_spawn itself cannot portably, and becomes the program.
    let words = ([Child.env, "-C", folder, path] + arguments).map { strdup($0) }
    let settings = environment.map { strdup("\($0.key)=\($0.value)") }
    defer { for text in words + settings { free(text) } }
    var pid: pid_t = 0
    let number = withExtendedLifetime(descriptors) {
      posix_spawn(&pid, Child.env, &actions, &attributes, words + [nil], settings + [nil])
    }
    guard number == 0 else { throw Failure(description: "\(path) did not start: \(String(cString: strerror(number)))") }
    self.pid = pid
    name = ([URL(filePath: path).lastPathComponent] + arguments).joined(separator: " ")
  }

  deinit {
    guard state.withLock({ $0.status }) == nil else { return }
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
  }

  /// The most memory that it was seen to hold, in bytes (`VmHWM`); it has to have been waited for, or polled.
  var peakByteCount: Int { state.withLock { $0.peakByteCount } }

  /// Its exit status once it has ended: the exit code, or the signal that ended it as a negative number.
  func poll() -> Int32? {
    state.withLock { state in
      if let status = state.status { return status }
      state.peakByteCount = max(state.peakByteCount, Child.peakByteCount(pid))
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
      let signal = status & 0x7f
      state.status = signal == 0 ? status >> 8 & 0xff : -signal
      return state.status
    }
  }

  /// Waits until it has ended.
  ///
  /// - Returns: the exit code, or the signal that ended it as a negative number.
  /// - Throws: `Failure` when it takes longer; it is ended then.
  func wait(timeoutSeconds: Double = 120) async throws -> Int32 {
    let start = ContinuousClock.now
    while true {
      if let status = poll() { return status }
      guard start.duration(to: .now) < .seconds(timeoutSeconds) else {
        signal(SIGKILL)
        throw Failure(description: "“\(name)” did not end within \(timeoutSeconds) s")
      }
      try await Task.sleep(for: .milliseconds(Child.pollMilliseconds))
    }
  }

  /// Sends it a signal, unless it has ended: its number may be another's by then.
  func signal(_ number: Int32) {
    state.withLock { state in
      if state.status == nil { kill(pid, number) }
    }
  }

  /// Ends it, and all that it started.
  func endGroup() {
    state.withLock { state in
      if state.status == nil { kill(-pid, SIGKILL) }
    }
  }

  private static func peakByteCount(_ pid: pid_t) -> Int {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return 0 }
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
  }
}

/// An open file of this process, closed with the value, which no child gets unless it is handed to it.
final class Descriptor: Sendable {
  let number: Int32

  init(_ path: String, _ flags: Int32) throws {
    number = open(path, flags | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw Child.Failure(description: "\(path): \(String(cString: strerror(errno)))") }
  }

  deinit { close(number) }

  /// A new, empty file to be written to.
  static func output(_ path: String) throws -> Descriptor { try Descriptor(path, O_WRONLY | O_CREAT | O_TRUNC) }

  /// A file to be read.
  static func input(_ path: String) throws -> Descriptor { try Descriptor(path, O_RDONLY) }

  /// A pipe's two ends; a FIFO, whose ends no child that is started meanwhile inherits.
  static func pipe(in folder: String) throws -> (reading: Descriptor, writing: Descriptor) {
    let path = "\(folder)/\(UUID().uuidString)"
    guard mkfifo(path, 0o600) == 0 else { throw Child.Failure(description: "\(path) could not be made") }
    defer { unlink(path) }
    let reading = try Descriptor(path, O_RDONLY | O_NONBLOCK)
    let writing = try Descriptor(path, O_WRONLY)
    _ = fcntl(reading.number, F_SETFL, 0)
    return (reading, writing)
  }

  /// Writes all bytes, on a thread that may wait for whoever reads them.
  ///
  /// - Throws: `Child.Failure` when nobody reads any more.
  func write(_ bytes: some Collection<UInt8>) async throws {
    let bytes = Array(bytes)
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      DispatchQueue.global().async { continuation.resume(with: Result { try self.writeNow(bytes) }) }
    }
  }

  private func writeNow(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress.map { $0 + done }, $0.count - done) }
      guard count >= 0 || errno == EINTR else { throw Child.Failure(description: "nobody reads the pipe") }
      done += max(0, count)
    }
  }
}
