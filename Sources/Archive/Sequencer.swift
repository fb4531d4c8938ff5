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
  /// The push that it ends; nil for a registration, and where nothing is to be let in.
  let push: PushToken?
  /// Finished, durable packs that become the archive's together with the record.
  let packs: [PackSealing]
}

/// The one writer of the log: takes checked records in groups and makes each group durable before it answers. What was
/// answered is put on show right after.
///
/// While the disk has no room for what was answered to be put on show, it admits nothing more and tries again, now and
/// then and before each group.
///
/// When nobody can know what the disk holds, it stops: it signs nothing more, and every record is refused. Only a
/// new start, which reads the disk, can tell. No request's task commits; a request that is cancelled while it waits
/// leaves its record in the group.
actor Sequencer {
  private let files: OpenFiles
  private let runs: RunKeeper
  private let signer: NoteSigner
  private let publishing: PublishingQueue
  /// Told once, when the log stops: what runs the archive ends the process.
  private let stop: @Sendable (PosternError) -> Void
  private let queue = SerialQueue(label: "postern.sequencer")

  private var tree: Tree
  private var newest: CheckpointRow
  private var waiting: [Waiting] = []
  private var isCommitting = false
  /// What goes on after the newest answers.
  private var showing: Task<Void, Never>?
  private var cleaning: Task<Void, Never>?
  /// Whether the disk had no room for what was admitted last to be put on show; what is committed is answered and read.
  private var isFull = false
  /// What the start could not do on a full disk, and which comes before everything that is put on show.
  private var unsettled: (@Sendable () async throws(PosternError) -> Void)?
  private var retry: Task<Void, Never>?
  /// What every record is refused with since the log stopped.
  private var stopped: PosternError?

  private typealias Answer = Result<Admission, PosternError>

  private struct Waiting {
    let submission: Submission
    let answer: CheckedContinuation<Answer, Never>
  }

  /// After how long it is looked again whether a full disk has room.
  private static let retryPause = Duration.seconds(1)
  /// The most records of one group, so that a group's transaction stays short.
  private static let groupLimit = 256

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A sequencer that goes on from the newest committed checkpoint, which is on show before the first record comes.
  init(
    files: OpenFiles, runs: RunKeeper, publishing: PublishingQueue, signer: consuming NoteSigner, tree: Tree,
    newest: CheckpointRow, stop: @escaping @Sendable (PosternError) -> Void
  ) {
    self.files = files
    self.runs = runs
    self.signer = signer
    self.tree = tree
    self.newest = newest
    self.stop = stop
    self.publishing = publishing
  }

  private var index: ArchiveIndex { files.index }

  /// Admits a record, or says why not.
  ///
  /// - Returns: the leaf's place, once record, checkpoint and packs are durable.
  /// - Throws: what `apply` throws, `storage.full`, `push.ended`: nothing is changed then. `archive.stopped`: only
  ///   the next start can tell.
  func admit(_ submission: Submission) async throws(PosternError) -> Admission {
    let answer: Answer = await withCheckedContinuation { continuation in
      waiting.append(Waiting(submission: submission, answer: continuation))
      guard !isCommitting else { return }
      isCommitting = true
      Task { await commitAll() }
    }
    return try answer.get()
  }

  /// Stops the log: nothing is signed any more.
  func halt(_ error: PosternError) {
    guard stopped == nil else { return }
    stopped = .stopped(by: error)
    stop(error)
  }

  private func commitAll() async {
    while !waiting.isEmpty {
      // Always one, which a group of its own takes; as many more as one transaction may bring.
      var packCount = 0
      let fitting = waiting.prefix(Sequencer.groupLimit).prefix { waiting in
        packCount += waiting.submission.packs.count
        return packCount <= CommitGroup.packLimit
      }
      let group = Array(waiting.prefix(max(fitting.count, 1)))
      waiting.removeFirst(group.count)
      if let stopped {
        answer(group, group.map { _ in .failure(stopped) })
      } else {
        await commit(group)
      }
    }
    isCommitting = false
  }

  /// Commits one group: how a push becomes durable, steps 4 to 6, and the beginning of 7, which is
  /// ``PublishingQueue/publish(checking:)``. (1 to 3 are ``Archive/begin(_:from:)``, ``Archive/upload(_:to:)`` and
  /// ``PushSession/seal(_:bodies:)``.)
  private func commit(_ waiting: [Waiting]) async {
    do throws(PosternError) {
      try await requireAllShown()
    } catch {
      return answer(waiting, waiting.map { _ in .failure(error) })
    }
    // 4. Judge in order, over committed state and the group's own effects. Who is refused leaves no trace.
    var group = AdmissionGroup(home: signer.verifier, firstIndex: newest.size, index: index)
    let verdicts: [Answer] = waiting.map { waiting in
      Result { () throws(PosternError) in try group.judge(waiting.submission) }
    }
    guard !group.isEmpty else { return answer(waiting, verdicts) }
    let twins: [PackRow]
    do throws(PosternError) {
      // The tree grows in a copy, and the checkpoint is signed in memory: neither is seen before the commit.
      var grown = tree
      let growth = grown.append(group.leafHashes)
      let checkpoint = try signed(growth)

      // 5. One transaction, which is the commit point.
      twins = try await index.writer.commit(group.rows(from: newest, to: checkpoint, tiles: growth.tiles))
      tree = grown
      newest = checkpoint
    } catch {
      // Whether these records are in the log, only the disk knows: a start reads it and goes on from there.
      if error.endsTheProcess { halt(error) }
      return rolledBack(waiting, verdicts, group, error)
    }
    // 6. Answer: what was committed is durable.
    answer(waiting, verdicts)
    // 7, from another task: packs under their names, then tiles, bundles, and the checkpoint last. A start does all of
    // it that a stop left.
    let placements = group.placements.filter { placement in !twins.contains { $0.number == placement.number } }
    publishing.add(placements, newest)
    show()
    _ = runs.noteGone(twins)
    runs.note(placements.map(\.space))
    tidyUp(twins)
  }

  private func publish() async {
    guard stopped == nil else { return }
    do throws(PosternError) {
      if let unsettled {
        try await unsettled()
        self.unsettled = nil
      }
      try await publishing.publish()
      isFull = false
    } catch let error where error.code == .storageFull {
      isFull = true
      publishLater()
    } catch {
      halt(error)
    }
  }

  // MARK: A full disk

  /// Says that what was admitted is on show, or can be now.
  ///
  /// - Throws: `storage.full` otherwise; `archive.stopped`.
  func requireAllShown() async throws(PosternError) {
    if isFull {
      show()
      await showing?.value
    }
    if let stopped { throw stopped }
    if isFull { throw .nothingShown }
  }

  /// Whether the start did all that it had to.
  var isSettled: Bool { unsettled == nil }

  /// Leaves it to a time when the disk has room what a start did not find room for; until then nothing is admitted.
  ///
  /// - Parameter step: does all of it; may be run again.
  func settleLater(_ step: @escaping @Sendable () async throws(PosternError) -> Void) {
    unsettled = step
    isFull = true
    publishLater()
  }

  private func publishLater() {
    guard retry == nil else { return }
    retry = Task { [weak self] in
      try? await Task.sleep(for: Sequencer.retryPause)
      await self?.publishAgain()
    }
  }

  private func publishAgain() {
    retry = nil
    if isFull { show() }
  }

  // MARK: Collection

  /// Hides what a mark found dead.
  ///
  /// - Returns: false, with nothing changed, when a push of the generation is open or an epoch of it came since.
  /// - Throws: `archive.stopped`, `storage.*`, `index.*`.
  func hide(_ marks: DeadMarks) async throws(PosternError) -> Bool {
    try await committing { () async throws(PosternError) in try await index.writer.hide(marks) }
  }

  /// Lets a pack take the place of those that it was written anew from, and returns when it is on show and they are
  /// gone.
  ///
  /// - Returns: false, with nothing changed, when one of the older packs changed since it was read.
  /// - Throws: `archive.stopped`, `storage.*`, `index.*`.
  func replacePacks(_ older: [PackRow], by sealing: PackSealing?) async throws(PosternError) -> Bool {
    let retired = try await committing { () async throws(PosternError) in
      try await index.writer.replacePacks(older, by: sealing)
    }
    guard let retired else { return false }
    var placements: [PackPlacement] = []
    if let sealing, !retired.contains(where: { $0.number == sealing.pack.number }) {
      placements = [PackPlacement(sealing)]
    }
    publishing.add(placements, newest, retired: retired)
    show()
    _ = runs.noteGone(retired)
    runs.note(placements.map(\.space))
    tidyUp([])
    await showing?.value
    return true
  }

  /// Runs a transaction of the log's one writer that admits nothing.
  private func committing<Value: Sendable>(
    _ step: () async throws(PosternError) -> Value
  ) async throws(PosternError) -> Value {
    if let stopped { throw stopped }
    do throws(PosternError) {
      return try await step()
    } catch {
      if error.endsTheProcess { halt(error) }
      throw error
    }
  }

  /// Puts on show what was committed, after what is being put on show.
  private func show() {
    let published = showing
    showing = Task {
      await published?.value
      await publish()
    }
  }

  /// Cleans up behind a commit, after what is being cleaned up.
  private func tidyUp(_ twins: [PackRow]) {
    let cleaned = cleaning
    cleaning = Task {
      await cleaned?.value
      await clean(twins)
    }
  }

  /// Does what no answer waits for: what cannot be done now is done at the next start.
  private func clean(_ twins: [PackRow]) async {
    do throws(PosternError) {
      try await unlessFatal { () async throws(PosternError) in
        try await removePacks(twins, of: files)
        try await runs.tidy()
      }
    } catch {
      halt(error)
    }
  }

  /// Lets runs go that list nothing but packs that were given up, in the background.
  func forget(_ packs: [PackRow]) {
    if runs.noteGone(packs) { tidyUp([]) }
  }

  /// Makes a generation's runs again of which one is damaged, in the background.
  func mendRuns(of space: Space) {
    runs.noteDamaged(space)
    tidyUp([])
  }

  /// Returns when all is on show, unless the disk is full, and all is done that no answer waits for.
  func finish() async {
    while true {
      let (shown, cleaned) = (showing, cleaning)
      await shown?.value
      await cleaned?.value
      if shown == showing, cleaned == cleaning { return }
    }
  }

  private func answer(_ waiting: [Waiting], _ answers: [Answer]) {
    for (waiting, answer) in zip(waiting, answers) { waiting.answer.resume(returning: answer) }
  }

  /// Answers a group whose transaction changed nothing; the tree in memory is as it was.
  ///
  /// Verdicts were given over effects that never came. So only those stand that were of committed records; of one push
  /// that was over, the others have another try.
  private func rolledBack(
    _ waiting: [Waiting], _ verdicts: [Answer], _ group: AdmissionGroup, _ error: PosternError
  ) {
    let endedPush = error.code == .pushEnded ? error.index.map { group.pushes[$0] } : nil
    var again: [Waiting] = []
    for (waiting, verdict) in zip(waiting, verdicts) {
      if case .success(let admission) = verdict, admission.index < group.firstIndex {
        waiting.answer.resume(returning: verdict)
      } else if let endedPush, waiting.submission.push != endedPush {
        again.append(waiting)
      } else {
        waiting.answer.resume(returning: .failure(stopped ?? alone(waiting.submission) ?? error.withoutIndex))
      }
    }
    self.waiting = again + self.waiting
  }

  /// Why a record is refused by what is committed; nil where it is not.
  private func alone(_ submission: Submission) -> PosternError? {
    do throws(PosternError) {
      _ = try AdmissionGroup.judgment(of: submission.checked, home: signer.verifier, index: index)
      return nil
    } catch {
      return error
    }
  }

  private func signed(_ growth: Growth) throws(PosternError) -> CheckpointRow {
    let checkpoint = try Checkpoint(origin: signer.verifier.name, size: growth.size, root: growth.root)
    return CheckpointRow(size: growth.size, note: try checkpoint.signed(by: signer).bytes)
  }
}

extension PosternError {
  /// What a record is answered while the disk has no room for what was admitted before it.
  fileprivate static let nothingShown = PosternError(
    .storageFull,
    "The archive's disk is full: what was admitted last could not be published, so nothing more is admitted.",
    advice: "Try again once the archive's operator has made room; what was admitted can be read.")

  /// The error without its index, which counted the members of a group that the asker knows nothing of.
  fileprivate var withoutIndex: PosternError { PosternError(code, message, advice: advice) }
}
