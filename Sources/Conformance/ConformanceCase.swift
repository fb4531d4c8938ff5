/// What came of one thing that a vector file demands.
public struct ConformanceCase: Hashable, Sendable {
  /// How a case ended.
  public enum Outcome: Hashable, Sendable {
    /// This program does what the file says.
    case passed
    /// It does not; the text says what it does instead.
    case failed(String)
    /// The file is of a kind that this program does not know.
    case skipped
  }

  /// The file's name.
  public let file: String
  /// Which of the file's demands.
  public let name: String
  /// What came of it.
  public let outcome: Outcome

  /// The case's line.
  public var line: String {
    switch outcome {
    case .passed: "ok      \(file): \(name)"
    case .failed(let reason): "FAILED  \(file): \(name): \(reason)"
    case .skipped: "skipped \(file): \(name)"
    }
  }
}

/// The cases of any number of files, counted.
public struct ConformanceReport: Hashable, Sendable {
  /// How many cases passed.
  public private(set) var passedCount = 0
  /// How many cases failed.
  public private(set) var failedCount = 0
  /// How many files were of an unknown kind.
  public private(set) var skippedCount = 0

  /// A report of nothing yet.
  public init() {}

  /// Counts cases in.
  public mutating func add(_ cases: [ConformanceCase]) {
    for item in cases {
      switch item.outcome {
      case .passed: passedCount += 1
      case .failed: failedCount += 1
      case .skipped: skippedCount += 1
      }
    }
  }

  /// Whether something was checked and nothing failed.
  public var isClean: Bool { failedCount == 0 && passedCount > 0 }

  /// The closing line.
  public var summary: String {
    "\(passedCount) passed, \(failedCount) failed, \(skippedCount) of an unknown kind skipped"
  }
}
