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
