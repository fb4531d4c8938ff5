import Bulk
public import Core
import Dump
import Envelope
import Records
import Sodium
import Synchronization

/// An uploader that goes on where a recovered epoch ended: in the same generation, with the epoch's chunks known.
///
/// It holds the uploader's state folder from before the recovery until ``goOn()``, so that nobody pushes meanwhile.
public final class Successor: Sendable {
  private let folder: StateFolder
  private let generation: HeldGeneration
  private let epoch: SeenEpoch
  private let cache: FingerprintCacheWriter
  private let fingerprinters: WorkerPool<Fingerprinter>
  private let order = Mutex(Order())

  /// Windows come in any order, and the cache is in the state's.
  private struct Order {
    var next = 0
    var early: [Int: [FingerprintCache.Entry]] = [:]
  }

  /// An uploader of the application that was opened.
  ///
  /// - Parameters:
  ///   - opening: what the door gave.
  ///   - capsule: the epoch's capsule.
  ///   - veil: the veil's body.
  ///   - key: the key of an uploader that the charter lists.
  ///   - statePath: the state folder, see ``StateLocation``.
  /// - Throws: `recover.capsule`, `capsule.*`, `push.not-an-uploader`, `key.role`, `state.*`, `storage.*`.
  public init(
    of opening: borrowing DoorOpening, capsule: [UInt8], veil: [UInt8], as key: borrowing KeyFile, statePath: String
  ) throws(PosternError) {
    let charter = opening.charter
    let fields = opening.epoch
    try charter.requireUploader(key.signingKey().verificationKey)
    guard SHA256.hash(veil) == fields.veil else { throw .foreignBody }
    let commit = try Veil(parsing: veil, memberCount: charter.members.count, hasKMS: charter.kms != nil).commit
    let opened = try opening.open(capsule)
    folder = try StateFolder.open(at: statePath, app: opening.app, key: key)
    generation = HeldGeneration(
      number: fields.generation, charter: fields.charter, veilBody: veil, veilCommit: commit,
      secret: opened.generationSecret.copy(), veilSecret: opening.veilSecret.copy())
    epoch = SeenEpoch(number: fields.number, leafHash: opening.epochLeafHash)
    cache = folder.newCache(of: generation, chunker: opened.chunker)
    fingerprinters = WorkerPool(key: folder.fingerprintKey(of: generation))
  }

  /// Takes down the chunks of a window that was recovered.
  ///
  /// - Parameters:
  ///   - window: the chunks.
  ///   - buffer: holds their state.
  func learn(_ window: StateWindow, in buffer: PieceBuffer) {
    let entries = fingerprinters.withWorker { fingerprinter in
      window.chunks.map { chunk in
        let bytes = UnsafeRawBufferPointer(window.memory(of: chunk, in: buffer))
        return FingerprintCache.Entry(fingerprint: fingerprinter.fingerprint(bytes), reference: chunk.reference)
      }
    }
    order.withLock { order in
      order.early[window.number] = entries
      while let entries = order.early.removeValue(forKey: order.next) {
        cache.append(entries)
        order.next += 1
      }
    }
  }

  /// Makes the uploader go on: its next push is in the epoch's generation, and seals what changed since.
  ///
  /// - Throws: `storage.*`.
  public func goOn() throws(PosternError) {
    try folder.keep(generation)
    cache.finish(epoch)
  }
}
