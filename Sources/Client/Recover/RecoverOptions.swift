public import Core

/// What is to be done with an epoch that a door has opened.
public struct RecoverOptions: Sendable {
  /// Where the state goes.
  public enum Output: Hashable, Sendable {
    /// A new file, or a new directory where the state is one; it has its name once it is whole and on the disk.
    case file(path: String)
    /// The process's output, in order; a directory as its archive.
    case standardOutput

    /// The output that a command's argument names: `-` is standard output.
    public init(argument: String) {
      self = argument == InputFile.standardInput ? .standardOutput : .file(path: argument)
    }
  }

  /// Where the state goes.
  public var output: Output
  /// The lowest state version that will do; nil where any does.
  public var expectedVersion: UInt64?
  /// Whether somebody chose the epoch; where not, it is what an archive showed as the newest.
  public var isEpochNamed: Bool

  /// A recovery into a file, or to standard output.
  public init(output: Output, expectedVersion: UInt64? = nil, isEpochNamed: Bool = false) {
    self.output = output
    self.expectedVersion = expectedVersion
    self.isEpochNamed = isEpochNamed
  }
}

/// What a recovery did.
public struct RecoverReport: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The epoch's number.
  public let epoch: UInt64
  /// Its generation.
  public let generation: UInt64
  /// The state's version.
  public let stateVersion: UInt64
  /// The application's commitment to the state.
  public let commitment: Digest?
  /// Whether the state is a directory, whose archive was recovered.
  public let isDirectory: Bool
  /// What was fetched and written.
  public let traffic: RecoverProgress
}

/// How far a recovery is; every count is in bytes.
public struct RecoverProgress: Hashable, Sendable {
  /// Written of the state, 32 MiB at a time.
  public internal(set) var writtenByteCount = 0
  /// The state's length.
  public internal(set) var totalByteCount = 0
  /// Fetched chunks and nodes.
  public internal(set) var fetchedByteCount = 0
  /// Since the recovery began.
  public internal(set) var elapsed = Duration.zero

  /// How fast the state comes.
  public var bytesPerSecond: Double { Rate.bytesPerSecond(writtenByteCount, in: elapsed) }

  /// How long the rest will take at this rate; nil before the first bytes.
  public var secondsLeft: Double? { Rate.secondsLeft(writtenByteCount, of: totalByteCount, in: elapsed) }
}
