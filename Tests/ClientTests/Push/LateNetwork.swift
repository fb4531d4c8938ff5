import Foundation
import Glibc
import Synchronization

/// Stands between a client and an archive, and does once what a network can do: it breaks a connection right behind a
/// begin, and delivers the begin later.
///
/// Its calls block, so they run on threads of its own.
final class LateNetwork: Sendable {
  /// What was kept back, and the connection to the archive that it belongs to.
  private struct Held {
    let descriptor: Int32
    let bytes: [UInt8]
  }

  private struct State {
    var held: Held?
    /// What the archive sent over the connection of what was kept back.
    var answer: [UInt8] = []
    var descriptors: [Int32] = []
  }

  /// Where the client connects to.
  let port: Int
  private let archivePort: Int
  private let listener: Int32
  private let state = Mutex(State())

  /// Listens on loopback.
  init(to archivePort: Int) throws {
    self.archivePort = archivePort
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = LateNetwork.address(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (socket, length) = (listener, size)
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) == 0 }
    }
    guard isBound, listen(socket, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &size) }
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread { self.accept() }.start()
  }

  private static func address(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  /// Ends every connection.
  func close() {
    shutdown(listener, Int32(SHUT_RDWR))
    let descriptors = state.withLock { $0.descriptors }
    for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  /// Whether a begin was kept back.
  var holdsABegin: Bool { state.withLock { $0.held != nil } }

  /// Delivers the begin that was kept back, and returns when the archive has answered it with a token.
  func deliver() async throws {
    guard let held = state.withLock({ $0.held }) else { return }
    LateNetwork.write(held.bytes, to: held.descriptor)
    // A message of 18 bytes: a token is 16, and its field's tag and length two.
    let head: [UInt8] = [0, 0, 0, 18, 3]
    while !state.withLock({ $0.answer.contains(head) }) { try await Task.sleep(for: .milliseconds(5)) }
  }

  private func accept() {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { break }
      let archive = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = LateNetwork.address(archivePort)
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      _ = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(archive, $0, size) }
      }
      state.withLock { $0.descriptors += [client, archive] }
      Thread { self.carryUp(from: client, to: archive) }.start()
      Thread { self.carryDown(from: archive, to: client) }.start()
    }
    Glibc.close(listener)
  }

  private func carryUp(from client: Int32, to archive: Int32) {
    let method = Array("Admission/Begin".utf8)
    while let bytes = LateNetwork.read(client) {
      guard !holdsABegin, bytes.contains(method) else {
        LateNetwork.write(bytes, to: archive)
        continue
      }
      // What belongs to the call comes at once, and nothing else before its answer.
      var patience = timeval(tv_sec: 1, tv_usec: 0)
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      var all = bytes
      while let more = LateNetwork.read(client) { all += more }
      state.withLock { $0.held = Held(descriptor: archive, bytes: all) }
      shutdown(client, Int32(SHUT_RDWR))
      return
    }
    shutdown(archive, Int32(SHUT_RDWR))
  }

  private func carryDown(from archive: Int32, to client: Int32) {
    while let bytes = LateNetwork.read(archive) {
      state.withLock { state in
        if state.held?.descriptor == archive { state.answer += bytes }
      }
      LateNetwork.write(bytes, to: client)
    }
    shutdown(client, Int32(SHUT_RDWR))
  }

  private static func read(_ descriptor: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    return count > 0 ? Array(bytes[..<count]) : nil
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

extension [UInt8] {
  /// Whether some bytes stand in these.
  fileprivate func contains(_ bytes: [UInt8]) -> Bool {
    guard count >= bytes.count else { return false }
    return indices.dropLast(bytes.count - 1).contains { self[$0..<$0 + bytes.count].elementsEqual(bytes) }
  }
}
