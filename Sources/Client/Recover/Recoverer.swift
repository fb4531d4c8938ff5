import Bulk
import Core
import Dump
import Envelope
import Records
import Sodium
public import Trust

/// Writes back the state of an epoch that a door has opened.
public enum Recoverer {
  /// Fetches the epoch's dump, opens it and writes the state.
  ///
  /// Every object is checked against its id. What comes out is the state byte for byte, or nothing stays.
  ///
  /// - Parameters:
  ///   - options: where the state goes.
  ///   - opening: what the door gave.
  ///   - capsule: the epoch's capsule.
  ///   - source: where chunks and nodes are; it need not be trusted.
  ///   - successor: the uploader that goes on here, which learns the epoch's chunks; nil where none does.
  ///   - progress: told after every piece; it should be quick.
  /// - Throws: `recover.*`, `capsule.*`, `dump.*`, `directory.*`, `source.*`, `storage.*`, `wire.*`.
  public static func recover(
    _ options: RecoverOptions, opening: borrowing DoorOpening, capsule: [UInt8], from source: some Source,
    for successor: Successor? = nil, progress: @escaping @Sendable (RecoverProgress) -> Void = { _ in }
  ) async throws -> RecoverReport {
    let epoch = opening.epoch
    if let expected = options.expectedVersion, epoch.stateVersion < expected {
      throw PosternError.stale(epoch, expected: expected, isNamed: options.isEpochNamed)
    }
    let opened = try opening.open(capsule)
    let output = try StateOutput.open(
      options.output, opened.contentKind, byteCount: opened.root.plainByteCount)
    let app = opening.app
    let fetcher = StateFetcher(
      root: opened.root, chunker: opened.chunker, app: app, generation: epoch.generation, from: source,
      to: output, for: successor, report: progress)
    let traffic: RecoverProgress
    do {
      traffic = try await fetcher.run()
    } catch let error as PosternError where [.dumpWrongID, .dumpObjectLength].contains(error.code) {
      throw PosternError.rottenDump(error, of: epoch)
    }
    return RecoverReport(
      app: app, epoch: epoch.number, generation: epoch.generation, stateVersion: epoch.stateVersion,
      commitment: epoch.commitment, isDirectory: opened.contentKind == .directory, traffic: traffic)
  }
}

extension DoorOpening {
  /// The epoch's capsule, opened.
  ///
  /// - Throws: `recover.capsule`, `capsule.*`.
  borrowing func open(_ capsule: [UInt8]) throws(PosternError) -> Capsule {
    guard SHA256.hash(capsule) == epoch.capsule else { throw .foreignBody }
    let root = Capsule.Root(id: epoch.root, sealedByteCount: Int(epoch.rootByteCount))
    return try Capsule(opening: capsule, root: root, under: capsuleKey.secret())
  }
}

extension PosternError {
  static let foreignBody = PosternError(
    .recoverCapsule, "The capsule or veil at hand is not the one that the epoch's record names.",
    advice: "Fetch it again.")
}
