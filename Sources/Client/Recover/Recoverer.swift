import Bulk
public import Core
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
  ///   - progress: told after every piece; it should be quick.
  /// - Throws: `recover.*`, `capsule.*`, `dump.*`, `directory.*`, `source.*`, `storage.*`, `wire.*`.
  public static func recover(
    _ options: RecoverOptions, opening: borrowing DoorOpening, capsule: [UInt8], from source: some Source,
    progress: @escaping @Sendable (RecoverProgress) -> Void = { _ in }
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
      to: output, report: progress)
    let traffic = try await fetcher.run()
    return RecoverReport(
      app: app, epoch: epoch.number, generation: epoch.generation, stateVersion: epoch.stateVersion,
      commitment: epoch.commitment, isDirectory: opened.contentKind == .directory, traffic: traffic)
  }

  /// Makes this node go on where the epoch ended: its next push is in the same generation and deduplicates.
  ///
  /// - Parameters:
  ///   - opening: what the door gave.
  ///   - capsule: the epoch's capsule.
  ///   - veil: the veil's body.
  ///   - key: the key of an uploader that the charter lists.
  ///   - statePath: the state folder, see ``StateLocation``.
  /// - Throws: `recover.capsule`, `capsule.*`, `push.not-an-uploader`, `key.role`, `state.*`, `storage.*`.
  public static func proceed(
    from opening: borrowing DoorOpening, capsule: [UInt8], veil: [UInt8], as key: borrowing KeyFile,
    statePath: String
  ) throws(PosternError) {
    let charter = opening.charter
    let epoch = opening.epoch
    try charter.requireUploader(key.signingKey().verificationKey)
    guard SHA256.hash(veil) == epoch.veil else { throw .foreignBody }
    let commit = try Veil(parsing: veil, memberCount: charter.members.count, hasKMS: charter.kms != nil).commit
    let opened = try opening.open(capsule)
    let folder = try StateFolder.open(at: statePath, app: opening.app, key: key)
    let generation = HeldGeneration(
      number: epoch.generation, charter: epoch.charter, veilBody: veil, veilCommit: commit,
      secret: opened.generationSecret.copy(), veilSecret: opening.veilSecret.copy())
    try folder.keep(generation)
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
  fileprivate static let foreignBody = PosternError(
    .recoverCapsule, "The capsule or veil at hand is not the one that the epoch's record names.",
    advice: "Fetch it again.")
}
