public import Core

/// What is to be pushed, and how.
public struct PushOptions: Sendable {
  /// The application.
  public var app: Digest
  /// Where the state is read.
  public var input: StateInput.Origin
  /// The application's version of the state; nil for one more than the newest epoch's.
  public var stateVersion: UInt64?
  /// The application's public commitment to the state, where it has one.
  public var commitment: Digest?
  /// How many bytes the state has to have; nil where any number will do.
  ///
  /// A pipe ends in the same way whether its writer was done or died.
  public var expectedByteCount: Int?
  /// Whether to open the next generation although the current one could go on.
  public var opensNextGeneration = false
  /// The state folder, see ``StateLocation``.
  public var statePath: String

  /// A push with everything optional left out.
  public init(app: Digest, input: StateInput.Origin, statePath: String) {
    self.app = app
    self.input = input
    self.statePath = statePath
  }
}

/// What a push did.
public struct PushReport: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The epoch's number.
  public let epoch: UInt64
  /// Its generation.
  public let generation: UInt64
  /// Why the push opened that generation; nil where it went on in it.
  public let opening: GenerationOpening?
  /// The state's version.
  public let stateVersion: UInt64
  /// The application's commitment to the state.
  public let commitment: Digest?
  /// The root's id.
  public let root: Digest
  /// The record's place in the log.
  public let leafIndex: UInt64
  /// How many entries the log has at the receipt's checkpoint.
  public let checkpointSize: UInt64
  /// Where the receipt lies.
  public let receiptPath: String
  /// The epoch before this one, where it has the same state version and this push added another; nil elsewhere.
  public let previousOfSameVersion: UInt64?
  /// Whether the archive had admitted this very epoch before, so that nothing new was published.
  public let isRepeat: Bool
  /// What was read and sent.
  public let traffic: PushProgress

  /// Whether the push opened the generation.
  public var openedGeneration: Bool { opening != nil }
}

/// How far a push is; every count is in bytes unless it says otherwise.
public struct PushProgress: Hashable, Sendable {
  /// What a push is about.
  public enum Phase: Hashable, Sendable {
    /// The state is read, sealed and sent.
    case sending
    /// The epoch is sealed, sent and admitted.
    case sealing
    /// The receipt is here.
    case done
  }

  /// What the push is about.
  public internal(set) var phase = Phase.sending
  /// Read of the state.
  public internal(set) var readByteCount = 0
  /// The state's length, where it is known beforehand.
  public internal(set) var totalByteCount: Int?
  /// Of the state, in chunks that an earlier epoch of the generation brought: neither sealed nor asked for again.
  public internal(set) var unchangedByteCount = 0
  /// Chunks and nodes of the dump that are at the archive, those that repeat counted each time.
  public internal(set) var sealedByteCount = 0
  /// How many of them there are.
  public internal(set) var sealedObjectCount = 0
  /// Those of them that the archive lacked, each once, however often it had to be sent.
  public internal(set) var lackedByteCount = 0
  /// How many of them there are.
  public internal(set) var lackedObjectCount = 0
  /// Chunks and nodes that went out; what was sent again after a connection broke counts again.
  public internal(set) var sentByteCount = 0
  /// How many of them there are, counted in the same way.
  public internal(set) var sentObjectCount = 0
  /// Since the push began.
  public internal(set) var elapsed = Duration.zero

  /// Which share of what was sealed the archive had already, or got once for all its repeats, from 0 to 1.
  public var deduplicatedShare: Double {
    sealedByteCount == 0 ? 0 : 1 - Double(lackedByteCount) / Double(sealedByteCount)
  }

  /// How fast the state is read.
  public var bytesPerSecond: Double { Rate.bytesPerSecond(readByteCount, in: elapsed) }

  /// How long reading the rest will take at this rate; nil where the length is not known.
  public var secondsLeft: Double? {
    totalByteCount.flatMap { Rate.secondsLeft(readByteCount, of: $0, in: elapsed) }
  }
}

/// Rates for those who wait.
enum Rate {
  static func bytesPerSecond(_ byteCount: Int, in elapsed: Duration) -> Double {
    let seconds = elapsed / .seconds(1)
    return seconds > 0 ? Double(byteCount) / seconds : 0
  }

  static func secondsLeft(_ byteCount: Int, of totalByteCount: Int, in elapsed: Duration) -> Double? {
    let rate = bytesPerSecond(byteCount, in: elapsed)
    return rate > 0 ? Double(max(0, totalByteCount - byteCount)) / rate : nil
  }
}
