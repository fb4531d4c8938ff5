import Core
import Index
import Packs
import Synchronization

/// Puts on show what was committed, after those who waited for the commit were answered: commit order, step 7.
///
/// What an answer says is durable by its commit. What is on show follows in the order that readers of the files rely
/// on, packs and tiles before the checkpoint that covers them, each durable before the next: so a power failure leaves
/// an older log on show and never a checkpoint of something that is not there. Commits that came meanwhile are shown
/// together. A start shows what a stop left by the same steps.
actor PublishingQueue {
  private let files: OpenFiles
  private let publisher: Publisher
  private let queue = SerialQueue(label: "postern.publisher")
  /// How much of the log is on show; nil for none of it.
  private var publishedSize: UInt64?
  private let due = Mutex(Due())

  private struct Due {
    var packs: [PackPlacement] = []
    var checkpoint: CheckpointRow?
    var retired: [PackRow] = []
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A queue of an archive whose log is on show up to some size; nil where no checkpoint is.
  init(_ files: OpenFiles, publishedSize: UInt64?) {
    self.files = files
    self.publishedSize = publishedSize
    publisher = Publisher(folder: files.folder, index: files.index)
  }

  /// Notes what a commit made true.
  ///
  /// - Parameters:
  ///   - packs: packs that it sealed.
  ///   - checkpoint: the newest committed checkpoint.
  ///   - retired: packs that others took the place of.
  nonisolated func add(_ packs: [PackPlacement], _ checkpoint: CheckpointRow, retired: [PackRow] = []) {
    due.withLock { due in
      due.packs += packs
      due.checkpoint = checkpoint
      due.retired += retired
    }
  }

  /// Publishes all that was noted: packs under their names, then tiles, bundles, and the checkpoint last; and removes
  /// the packs whose place others took, after those are under their names.
  ///
  /// - Parameter checking: whether packs have to fit their names: at a start, for packs that another process finished.
  /// - Throws: `storage.full`: what was noted is done at the next call, from its beginning. Other `storage.*`,
  ///   `index.*`: only a start can say again what is on show. When checking, `pack.*`.
  func publish(checking: Bool = false) async throws(PosternError) {
    var taken = due.withLock { due in
      defer { due = Due() }
      return due
    }
    guard let checkpoint = taken.checkpoint else { return }
    do throws(PosternError) {
      try files.folder.place(taken.packs, checking: checking)
      // Before the log, which may have room only then.
      try await settle(&taken)
      if checkpoint.size != publishedSize { try publisher.publish(from: publishedSize ?? 0, to: checkpoint) }
    } catch {
      putBack(taken)
      throw error
    }
    publishedSize = checkpoint.size
  }

  /// Forgets what was noted: a start that begins anew notes all of it again.
  nonisolated func forget() { due.withLock { $0 = Due() } }

  /// What could not be done comes before what was noted meanwhile.
  private func putBack(_ taken: Due) {
    due.withLock { due in
      due.packs = taken.packs + due.packs
      due.checkpoint = due.checkpoint ?? taken.checkpoint
      due.retired = taken.retired + due.retired
    }
  }

  /// Notes that packs are placed, and removes those whose place they took.
  private func settle(_ taken: inout Due) async throws(PosternError) {
    // A note that spares the next start some work; but a writer that knows no more than this ends everything.
    try await unlessFatal { () async throws(PosternError) in
      try await files.index.writer.markPlaced(taken.packs.map(\.number))
    }
    taken.packs = []
    // Here and nowhere else, since no pack is placed meanwhile; what cannot be removed now is removed at the next
    // start.
    try await unlessFatal { () async throws(PosternError) in
      guard !taken.retired.isEmpty else { return }
      try files.removePlaced(taken.retired)
      try await files.index.writer.removeAllAbandoned(taken.retired.map(\.number))
    }
    taken.retired = []
  }
}
