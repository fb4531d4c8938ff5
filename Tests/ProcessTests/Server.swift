import Foundation
import Glibc
import Testing

/// An archive that runs; killed with the value.
final class Server: Sendable {
  /// Where it listens.
  let address: String
  /// The server.
  let child: Child

  private init(address: String, child: Child) {
    self.address = address
    self.child = child
  }

  /// Starts `postern serve` and waits until it listens.
  ///
  /// - Parameters:
  ///   - data: the data folder, in the machine's folder unless it is an absolute path.
  ///   - address: where it is to listen: on a free port unless it is told otherwise.
  ///   - options: more options.
  /// - Throws: `Child.Failure` with what the server said, when it ended instead.
  static func start(
    on machine: Machine, data: String = "archive", address: String = "127.0.0.1:0", options: [String] = []
  ) async throws -> Server {
    let output = machine.path(UUID().uuidString)
    let errors = machine.path(UUID().uuidString)
    defer { for path in [output, errors] { unlink(path) } }
    let child = try machine.start(
      ["serve", "--data", data, "--listen", address] + options, input: .input("/dev/null"), output: .output(output),
      errors: .output(errors))
    let mark = "listening on "
    let start = ContinuousClock.now
    while start.duration(to: .now) < .seconds(30) {
      let text = String(decoding: try Data(contentsOf: URL(filePath: output)), as: UTF8.self)
      if text.hasSuffix("\n"), let line = text.split(separator: "\n").first(where: { $0.hasPrefix(mark) }) {
        return Server(address: String(line.dropFirst(mark.count)), child: child)
      }
      if child.poll() != nil { break }
      try await Task.sleep(for: .milliseconds(5))
    }
    let said = String(decoding: try Data(contentsOf: URL(filePath: errors)), as: UTF8.self)
    throw Child.Failure(description: "The server did not start: \(said)")
  }

  /// Ends it with a signal and waits for its end.
  ///
  /// - Returns: its exit code, or the signal as a negative number.
  @discardableResult
  func end(_ signal: Int32 = SIGTERM) async throws -> Int32 {
    child.signal(signal)
    return try await child.wait(timeoutSeconds: 30)
  }
}

extension Machine {
  /// Makes an archive in the folder `archive`.
  ///
  /// - Returns: its log's verifier key.
  func initArchive(_ data: String = "archive", origin: String = "tests.example/log") async throws -> String {
    try await must("archive", "init", "--data", data, "--origin", origin)
  }

  /// Registers an application for one person with both doors, whose keys and charter go to a folder of its name.
  ///
  /// - Returns: its id.
  func registerSolo(_ name: String = "solo") async throws -> String {
    let app = try await must("charter", "new", "--solo", "--kms", "--name", name, "--out", name)
    try await must("charter", "register", "\(name)/charter", "--key", "\(name)/member.key")
    return app
  }

  /// Registers an application with several members and uploaders; keys are NAME.key, the charter APP.charter.
  ///
  /// - Returns: its id.
  func register(
    _ name: String, members: [String], threshold: Int, uploaders: [String], requester: String, kms: String,
    chunker: (kind: String, size: Int) = ("fixed", 4_096), retention: Int = 0
  ) async throws -> String {
    let roles = [("member", members), ("uploader", uploaders), ("requester", [requester]), ("kms", [kms])]
    var lines: [String: String] = [:]
    for (role, holders) in roles {
      for holder in holders { lines[holder] = try await must("key", "new", role, "--name", holder) }
    }
    func list(_ holders: [String]) -> String {
      "[" + holders.map { "{ line = \"\(lines[$0] ?? "")\" }" }.joined(separator: ", ") + "]"
    }
    let names = members.map { "\"\($0)\"" }.joined(separator: ", ")
    let document = """
      name = "\(name)"
      retention = \(retention)
      chunker = { kind = "\(chunker.kind)", size = \(chunker.size) }
      recovery = { threshold = \(threshold), of = [\(names)] }
      governance = { threshold = \(threshold), of = [\(names)] }
      member = \(list(members))
      uploader = \(list(uploaders))
      requester = \(list([requester]))
      kms = { path = "\(name)/door", line = "\(lines[kms] ?? "")" }
      """
    try write(document.utf8, to: "\(name).toml")
    let app = try await must("charter", "new", "\(name).toml", "--out", "\(name).charter", "--allow-fragile")
    for member in members { try await must("charter", "sign", "\(name).charter", "--key", "\(member).key", "--yes") }
    try await must("charter", "register", "\(name).charter", "--key", "\(members[0]).key")
    return app
  }
}

extension Machine {
  /// A machine whose archive is served to it, with a solo application that is registered there.
  static func served() async throws -> (machine: Machine, server: Server, app: String) {
    let machine = try Machine()
    _ = try await machine.initArchive()
    let server = try await Server.start(on: machine)
    let asking = machine.asking(server)
    return (asking, server, try await asking.registerSolo())
  }
}
