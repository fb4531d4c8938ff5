import Fixtures
import Foundation

/// The program that was built beside these tests, run as a person or a script runs it.
struct Program {
  /// What a run left behind.
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  /// Where it runs, and where its state goes.
  let folder: TemporaryFolder
  var environment: [String: String]

  init() throws {
    folder = try TemporaryFolder()
    environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "XDG_STATE_HOME": folder.path("state")]
  }

  private static let url = URL(filePath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent()
    .appending(path: "postern")

  /// Runs to the end.
  @discardableResult
  func run(_ arguments: String..., input: [UInt8] = []) throws -> Outcome {
    try run(arguments, input: input)
  }

  func run(_ arguments: [String], input: [UInt8] = []) throws -> Outcome {
    let names = (0..<3).map { _ in folder.path(UUID().uuidString) }
    defer { for name in names { try? FileManager.default.removeItem(atPath: name) } }
    try Data(input).write(to: URL(filePath: names[0]))
    let process = try start(arguments, input: names[0], output: names[1], errors: names[2])
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: try read(names[1]), errors: try read(names[2]))
  }

  /// Starts and does not wait; the three files are its standard input, output and errors.
  func start(_ arguments: [String], input: String, output: String, errors: String) throws -> Process {
    let process = Process()
    process.executableURL = Program.url
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: folder.path)
    for path in [output, errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    process.standardInput = try FileHandle(forReadingFrom: URL(filePath: input))
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
    try process.run()
    return process
  }

  private func read(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
  }

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(filePath: folder.path(name)))
  }

  func bytes(of name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: folder.path(name))))
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.path(name)) }

  /// Makes a key and keeps its public line beside it.
  @discardableResult
  func makeKey(_ role: String, _ name: String) throws -> String {
    let line = try run("key", "new", role, "--name", name).output.trimmingCharacters(in: .newlines)
    try write(line + "\n", to: "\(name).pub")
    return line
  }
}
