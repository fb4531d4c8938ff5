import Fixtures
import Foundation
import Glibc
import Testing

/// A machine that the built programs run on: a folder for its files, and one for what its user's clients remember.
final class Machine: Sendable {
  /// What a run left behind.
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
    let peakByteCount: Int

    /// What was printed, without the line's end.
    var line: String { output.trimmingCharacters(in: .newlines) }

    /// Whether it was refused with a code: exit 1, nothing on standard output, a sentence and the code on the other.
    func isRefused(_ code: String, status: Int32 = 1) -> Bool {
      self.status == status && output.isEmpty && errors.contains("(\(code)") && !errors.contains("Fatal error")
    }
  }

  /// What a run gets on standard input.
  enum Input {
    case nothing
    case bytes([UInt8])
    /// Through a pipe.
    case pipe([UInt8])
    case descriptor(Descriptor)
  }

  private let temporary: TemporaryFolder
  /// Asked unless a command says otherwise.
  let archive: String?
  /// The server of that archive, which would end with its last owner.
  private let server: Server?
  /// What every program is started through: a command that runs the rest of its arguments.
  private let prefix: [String]

  /// A machine with an empty folder.
  ///
  /// - Parameters:
  ///   - archive: the address of the archive that its commands ask.
  ///   - prefix: a command that every program is started through.
  init(archive: String? = nil, prefix: [String] = []) throws {
    temporary = try TemporaryFolder()
    self.archive = archive
    self.prefix = prefix
    server = nil
  }

  /// The same machine, whose commands ask an archive.
  private init(_ other: Machine, archive: String, server: Server?, prefix: [String]) {
    temporary = other.temporary
    self.archive = archive
    self.server = server
    self.prefix = prefix
  }

  /// The same machine, whose commands ask the archive of a server.
  func asking(_ server: Server) -> Machine { Machine(self, archive: server.address, server: server, prefix: prefix) }

  /// The same machine, whose programs are started through a command.
  func inside(_ prefix: [String]) -> Machine { Machine(self, archive: archive ?? "", server: server, prefix: prefix) }

  var folder: String { temporary.path }

  func path(_ name: String) -> String { temporary.path(name) }

  /// A program that was built beside these tests.
  static func program(_ name: String) throws -> String {
    let own = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    let path = own.deletingLastPathComponent().appending(path: name).path
    guard access(path, X_OK) == 0 else {
      throw Child.Failure(
        description: "There is no program \(path). Build it in the tests' configuration: swift build --product \(name)")
    }
    return path
  }

  /// Starts a program and does not wait.
  func start(
    _ arguments: [String], of program: String = "postern", input: Descriptor, output: Descriptor, errors: Descriptor
  ) throws -> Child {
    var environment = ["PATH": "/usr/bin:/bin", "HOME": folder, "XDG_STATE_HOME": path("state")]
    environment["POSTERN_ARCHIVE"] = archive
    // What a program is started through may have changed the folder.
    let words = prefix + ["env", "-C", folder, try Machine.program(program)] + arguments
    return try Child(
      words[0], Array(words.dropFirst()), environment: environment, folder: folder,
      descriptors: [input, output, errors])
  }

  /// Runs a program to its end.
  func run(_ arguments: [String], of program: String = "postern", input: Input = .nothing) async throws -> Outcome {
    let names = (0..<3).map { _ in path(UUID().uuidString) }
    defer { for name in names { unlink(name) } }
    let standardInput: Descriptor
    var piped: (end: Descriptor, bytes: [UInt8])?
    switch input {
    case .nothing: standardInput = try .input("/dev/null")
    case .descriptor(let descriptor): standardInput = descriptor
    case .bytes(let bytes):
      try Data(bytes).write(to: URL(filePath: names[0]))
      standardInput = try .input(names[0])
    case .pipe(let bytes):
      let pipe = try Descriptor.pipe(in: folder)
      standardInput = pipe.reading
      piped = (pipe.writing, bytes)
    }
    let child = try start(
      arguments, of: program, input: standardInput, output: .output(names[1]), errors: .output(names[2]))
    if let (end, bytes) = piped.take() { try await end.write(bytes) }
    let status = try await child.wait()
    return Outcome(
      status: status, output: try text(names[1]), errors: try text(names[2]), peakByteCount: child.peakByteCount)
  }

  /// Runs `postern` to its end.
  func postern(_ arguments: String..., input: Input = .nothing) async throws -> Outcome {
    try await run(arguments, input: input)
  }

  /// Runs `postern`, which has to succeed, and returns what it printed, without the line's end.
  @discardableResult
  func must(
    _ arguments: String..., input: Input = .nothing, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let outcome = try await run(arguments, input: input)
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    return outcome.line
  }

  /// Runs `postern … --json`, which has to succeed, and reads what it printed.
  func json<Answer: Decodable>(
    _ arguments: String..., input: Input = .nothing, as type: Answer.Type = Answer.self,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Answer {
    let outcome = try await run(arguments + ["--json"], input: input)
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    return try JSONDecoder().decode(type, from: Data(outcome.output.utf8))
  }

  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
  }

  func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
    try Data(bytes).write(to: URL(filePath: path(name)))
  }

  func bytes(of name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path(name)))) }

  func exists(_ name: String) -> Bool { access(path(name), F_OK) == 0 }

  /// The permissions of a file.
  func permissions(of name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return try #require((attributes[.posixPermissions] as? NSNumber)?.intValue)
  }

  /// The names in a folder, hidden ones included, sorted.
  func names(in folder: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(folder)).sorted()
  }
}

/// What `push --json` prints.
struct Pushed: Decodable {
  let app: String
  let epoch: UInt64
  let generation: UInt64
  let openedGeneration: Bool
  let stateVersion: UInt64
  let leafIndex: UInt64
  let receiptPath: String
  let isRepeat: Bool
  let readByteCount: Int
  let sentByteCount: Int
  let deduplicatedShare: Double
}

/// What `recover --json` and `recovery open --json` print.
struct Recovered: Decodable {
  let app: String
  let epoch: UInt64
  let generation: UInt64
  let stateVersion: UInt64
  let byteCount: Int
}

/// What `latest --json` and `show --json` print.
struct Shown: Decodable {
  let epoch: UInt64
  let generation: UInt64
  let stateVersion: UInt64
  let leafIndex: UInt64
  let checkpointSize: UInt64
  let leafHash: String
  let rests: String
}
