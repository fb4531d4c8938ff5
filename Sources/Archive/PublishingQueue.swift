import Core
import Index
import Packs
import Synchronization

/// Puts on show what was committed, after those who waited for the commit were answered: commit order, step 7.
///
/// What an answer says is durable by its commit. What is on show follows in the order that readers of the files rely on,
/// packs and tiles before the checkpoint that covers them, each durable before the next: so a power failure leaves an
/// older log on show and never a checkpoint of something that is not there. Commits that came meanwhile are shown together.
/// A start shows what a stop left by the same steps.
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

  /// Publishes all that was noted: packs under their names, then tiles, bundles, and the checkpoint last; and removes the
  /// packs whose place others took, after those are on show.
  ///
  /// - Parameter checking: whether packs have to fit their names: at a start, for packs that another process finished.
  /// - Throws: `storage.*`, `index.*`: only a start can say again what is on show. When checking, `pack.*`.
  func publish(checking: Bool = false) async throws(PosternError) {
    let taken = due.withLock { due in
      defer { due = Due() }
      return due
    }
    guard let checkpoint = taken.checkpoint else { return }
    try files.folder.place(taken.packs, checking: checking)
    if checkpoint.size != publishedSize { try publisher.publish(from: publishedSize ?? 0, to: checkpoint) }
    publishedSize = checkpoint.size
    // A note that spares the next start some work; but a writer that knows no more than this ends everything.
    try await unlessFatal { () async throws(PosternError) in
      try await files.index.writer.markPlaced(taken.packs.map(\.number))
    }
    // Here and nowhere else, since no pack is placed meanwhile; what cannot be removed now is removed at the next start.
    try await unlessFatal { () async throws(PosternError) in
      guard !taken.retired.isEmpty else { return }
      try files.removePlaced(taken.retired)
      try await files.index.writer.removeAllAbandoned(taken.retired.map(\.number))
    }
  }
}
