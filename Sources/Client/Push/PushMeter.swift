import Synchronization

/// Counts what a push does, from several tasks, and tells whoever watches.
final class PushMeter: Sendable {
  private let start = ContinuousClock.now
  private let counts: Mutex<PushProgress>
  private let report: @Sendable (PushProgress) -> Void

  init(totalByteCount: Int?, report: @escaping @Sendable (PushProgress) -> Void) {
    var progress = PushProgress()
    progress.totalByteCount = totalByteCount
    counts = Mutex(progress)
    self.report = report
  }

  /// The counts now.
  var progress: PushProgress { counts.withLock { $0 } }

  /// Starts counting what is read and sealed anew, for a state that is read once more.
  func rewind() {
    update { progress in
      progress.phase = .sending
      progress.readByteCount = 0
      progress.sealedByteCount = 0
      progress.sealedObjectCount = 0
    }
  }

  /// Changes the counts and tells whoever watches.
  func update(_ change: (inout PushProgress) -> Void) {
    let progress = counts.withLock { progress in
      change(&progress)
      progress.elapsed = start.duration(to: .now)
      return progress
    }
    report(progress)
  }
}
