import Core
import Index
import Merkle
import Packs
import Records
import Sodium

/// A record that was checked and waits for its place in the log.
struct Submission: Sendable {
  /// What was checked.
  let checked: Checked
  /// The push that it ends; nil for a registration.
  let push: PushToken?
  /// Finished, durable packs that become the archive's together with the record.
  let packs: [PackSealing]
}

/// The one writer of the log: takes checked records in groups and makes each group durable before it answers.
///
/// No request's task commits; a request that is cancelled while it waits leaves its record in the group.
actor Sequencer {
  private let folder: DataFolder
  private let index: ArchiveIndex
  private let signer: NoteSigner
  private let publisher: Publisher
  /// Ends the process: after it nothing may be signed, since nobody knows what the disk holds.
  private let stop: @Sendable (PosternError) -> Never
  private let queue = SerialQueue(label: "postern.sequencer")

  private var tree: Tree
  private var newest: CheckpointRow
  private var waiting: [Waiting] = []
  private var isCommitting = false

  private typealias Answer = Result<UInt64, PosternError>

  private struct Waiting {
    let submission: Submission
    let answer: CheckedContinuation<Answer, Never>
  }

  /// The most records of one group, so that a group's transaction stays short.
  private static let groupLimit = 256

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A sequencer that goes on from the newest committed checkpoint.
  init(
    folder: DataFolder, index: ArchiveIndex, signer: consuming NoteSigner, tree: Tree, newest: CheckpointRow,
    stop: @escaping @Sendable (PosternError) -> Never
  ) {
    self.folder = folder
    self.index = index
    self.signer = signer
    self.tree = tree
    self.newest = newest
    self.stop = stop
    publisher = Publisher(folder: folder, index: index)
  }

  /// Admits a record, or says why not.
  ///
  /// - Returns: the leaf's index, once record, checkpoint and packs are durable and published; for a repeat, the
  ///   index of the first.
  /// - Throws: what `apply` throws, `storage.full`, `push.ended`; nothing is changed then.
  func admit(_ submission: Submission) async throws(PosternError) -> UInt64 {
    let answer: Answer = await withCheckedContinuation { continuation in
      waiting.append(Waiting(submission: submission, answer: continuation))
      guard !isCommitting else { return }
      isCommitting = true
      Task { await commitAll() }
    }
    return try answer.get()
  }

  private func commitAll() async {
    while !waiting.isEmpty {
      let group = Array(waiting.prefix(Sequencer.groupLimit))
      waiting.removeFirst(group.count)
      await commit(group)
    }
    isCommitting = false
  }

  /// Commits one group: how a push becomes durable, steps 4 to 7. (1 to 3 are ``Archive/begin(_:)``,
  /// ``Archive/upload(_:to:)`` and ``PushSession/seal(_:bodies:)``.)
  private func commit(_ waiting: [Waiting]) async {
    // 4. Judge in order, over committed state and the group's own effects. Who is refused leaves no trace.
    var group = AdmissionGroup(home: signer.verifier, firstIndex: newest.size, index: index)
    let verdicts: [Answer] = waiting.map { waiting in
      Result { () throws(PosternError) in try group.judge(waiting.submission) }
    }
    guard !group.isEmpty else { return answer(waiting, verdicts) }
    do throws(PosternError) {
      // The tree grows in a copy, and the checkpoint is signed in memory: neither is seen before the commit.
      var grown = tree
      let growth = grown.append(group.leafHashes)
      let checkpoint = try signed(growth)

      // 5. One transaction, which is the commit point.
      try await commit(group.rows(from: newest, to: checkpoint, tiles: growth.tiles))
      tree = grown
      newest = checkpoint

      // 6. Packs under their names, then tiles, bundles, and the checkpoint last. A start redoes all of it.
      await publish(group, growth: growth, checkpoint: checkpoint)

      // 7. Answer.
      answer(waiting, verdicts)
    } catch {
      rolledBack(waiting, verdicts, group, error)
    }
  }

  private func answer(_ waiting: [Waiting], _ answers: [Answer]) {
    for (waiting, answer) in zip(waiting, answers) { waiting.answer.resume(returning: answer) }
  }

  /// Answers a group whose transaction changed nothing; the tree in memory is as it was.
  private func rolledBack(
    _ waiting: [Waiting], _ verdicts: [Answer], _ group: AdmissionGroup, _ error: PosternError
  ) {
    let endedPush = error.code == .pushEnded ? error.index.map { group.pushes[$0] } : nil
    for (waiting, verdict) in zip(waiting, verdicts) {
      let isNew = if case .success(let index) = verdict { index >= group.firstIndex } else { false }
      if isNew, let endedPush, waiting.submission.push != endedPush {
        // Only one push of the group is over: the others have another try.
        self.waiting.append(waiting)
      } else {
        waiting.answer.resume(returning: isNew ? .failure(error) : verdict)
      }
    }
  }

  private func signed(_ growth: Growth) throws(PosternError) -> CheckpointRow {
    let checkpoint = try Checkpoint(origin: signer.verifier.name, size: growth.size, root: growth.root)
    return CheckpointRow(size: growth.size, note: try checkpoint.signed(by: signer).bytes)
  }

  private func commit(_ rows: CommitGroup) async throws(PosternError) {
    do throws(PosternError) {
      try await index.writer.commit(rows)
    } catch {
      // Whether these records are in the log, only the disk knows: a start reads it and goes on from there.
      if error.code == .indexUnknownOutcome { stop(error) }
      throw error
    }
  }

  private func publish(
    _ group: AdmissionGroup, growth: Growth, checkpoint: CheckpointRow
  ) async {
    do throws(PosternError) {
      try folder.place(group.placements)
      try publisher.publish(growth, from: group.firstIndex, checkpoint: checkpoint)
      try await index.writer.markPlaced(group.placements.map(\.number))
    } catch {
      // Committed, but not on show: only a start can say again what is.
      stop(error)
    }
  }
}
