import Synchronization

/// Counts what a push does, from several tasks, and tells whoever watches.
package final class PushMeter: Sendable {
  /// Some objects.
  package struct Amount: Hashable, Sendable {
    /// How many.
    let objectCount: Int
    /// How many bytes they have together.
    let byteCount: Int

    /// An amount.
    package init(objectCount: Int, byteCount: Int) {
      self.objectCount = objectCount
      self.byteCount = byteCount
    }
  }

  private struct State {
    var progress = PushProgress()
    /// What the archive lacked of the windows that are under way, when it was first asked.
    var lacked: [Int: Amount] = [:]
    var isRewound = false
  }

  private let start = ContinuousClock.now
  private let state: Mutex<State>
  private let report: @Sendable (PushProgress) -> Void

  /// A meter.
  ///
  /// - Parameters:
  ///   - totalByteCount: the state's length; nil where it is not known.
  ///   - report: told after every change.
  package init(totalByteCount: Int?, report: @escaping @Sendable (PushProgress) -> Void) {
    var state = State()
    state.progress.totalByteCount = totalByteCount
    self.state = Mutex(state)
    self.report = report
  }

  /// The counts now.
  package var progress: PushProgress { state.withLock { $0.progress } }

  /// So many bytes more were read of the state.
  package func read(byteCount: Int) {
    update { $0.progress.readByteCount += byteCount }
  }

  /// So many bytes of what was read are as they were in an earlier epoch.
  package func unchanged(byteCount: Int) {
    update { $0.progress.unchangedByteCount += byteCount }
  }

  /// The archive says for the first time, or again, what it lacks of a window; the first time counts.
  ///
  /// Later it lacks less, because it got some of it, or more, because it lost some.
  package func archiveLacks(_ amount: Amount, ofWindow number: Int) {
    state.withLock { state in
      if state.lacked[number] == nil { state.lacked[number] = amount }
    }
  }

  /// Objects went out.
  package func sent(_ amount: Amount) {
    update { state in
      state.progress.sentByteCount += amount.byteCount
      state.progress.sentObjectCount += amount.objectCount
    }
  }

  /// A window is at the archive; a state that is read once more brings the same ones, which count no more.
  package func arrived(_ sealed: Amount, ofWindow number: Int) {
    update { state in
      let lacked = state.lacked.removeValue(forKey: number)
      guard !state.isRewound else { return }
      state.progress.sealedByteCount += sealed.byteCount
      state.progress.sealedObjectCount += sealed.objectCount
      state.progress.lackedByteCount += lacked?.byteCount ?? 0
      state.progress.lackedObjectCount += lacked?.objectCount ?? 0
    }
  }

  /// The state is read once more.
  package func rewind() {
    update { state in
      state.progress.phase = .sending
      state.progress.readByteCount = 0
      state.progress.unchangedByteCount = 0
      state.isRewound = true
    }
  }

  /// The push goes on to another phase.
  package func enter(_ phase: PushProgress.Phase) {
    update { $0.progress.phase = phase }
  }

  /// Changes the counts and tells whoever watches.
  private func update(_ change: (inout State) -> Void) {
    let progress = state.withLock { state in
      change(&state)
      state.progress.elapsed = start.duration(to: .now)
      return state.progress
    }
    report(progress)
  }
}
