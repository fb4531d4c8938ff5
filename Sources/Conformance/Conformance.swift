import Core

/// Checks that this program agrees with test vectors, also with ones that it has never seen.
///
/// What a file is, its own fields say, whatever its name. The caller reads the files.
public enum Conformance {
  /// The most bytes that a vector file may have.
  public static let fileByteLimit = 256 << 20

  /// Checks one file.
  ///
  /// - Parameters:
  ///   - file: the file's name without its folder.
  ///   - bytes: what it holds.
  /// - Returns: a case for each thing that the file demands; one failed case when it is malformed or no JSON, one
  ///   skipped case when its kind is unknown.
  public static func check(file: String, bytes: [UInt8]) async -> [ConformanceCase] {
    var log = CaseLog(file: file)
    do {
      switch try VectorKind(json: bytes) {
      case .policies: try PolicyVectors(json: bytes).check(&log)
      case .envelope: try await EnvelopeRun(EnvelopeVector(json: bytes)).check(&log)
      case nil: log.skip("a kind that this program does not know")
      }
    } catch {
      log.fail("the file", "\(error)")
    }
    return log.cases
  }
}

extension ConformanceCase {
  /// A file that was not looked into.
  ///
  /// - Parameter reason: why not: `no JSON`.
  public static func skipped(_ file: String, reason: String) -> ConformanceCase {
    ConformanceCase(file: file, name: reason, outcome: .skipped)
  }
}

/// Collects the cases of one file.
struct CaseLog {
  private let file: String
  private(set) var cases: [ConformanceCase] = []

  init(file: String) {
    self.file = file
  }

  /// Checks that two values are equal.
  mutating func equal(_ name: String, _ actual: [UInt8], _ expected: [UInt8]) {
    if actual == expected { pass(name) } else { fail(name, "\(brief(actual)) in place of \(brief(expected))") }
  }

  /// Checks that a statement holds.
  mutating func expect(_ name: String, _ holds: Bool, _ reason: @autoclosure () -> String) {
    if holds { pass(name) } else { fail(name, reason()) }
  }

  /// Runs a case; what it throws makes it fail, and ends nothing else.
  mutating func run(_ name: String, _ body: (inout CaseLog) throws -> Void) {
    do { try body(&self) } catch { fail(name, "\(error)") }
  }

  mutating func fail(_ name: String, _ reason: String) { append(name, .failed(reason)) }

  mutating func skip(_ name: String) { append(name, .skipped) }

  private mutating func pass(_ name: String) { append(name, .passed) }

  private mutating func append(_ name: String, _ outcome: ConformanceCase.Outcome) {
    cases.append(ConformanceCase(file: file, name: name, outcome: outcome))
  }

  private func brief(_ bytes: [UInt8]) -> String {
    bytes.count <= 40 ? bytes.hex : "\(bytes.prefix(20).hex)… (\(bytes.count) bytes)"
  }
}
