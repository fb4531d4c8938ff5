import Synchronization
import Trust

/// Counts what a pull fetches and finds, and tells whoever watches.
package final class PullMeter: Sendable {
  private let state = Mutex(PullProgress())
  private let start = ContinuousClock.now
  private let report: @Sendable (PullProgress) -> Void

  /// Counts from now on.
  ///
  /// - Parameter report: told after every piece.
  package init(report: @escaping @Sendable (PullProgress) -> Void) {
    self.report = report
  }

  /// The counts so far.
  package var progress: PullProgress {
    state.withLock { progress in
      progress.elapsed = start.duration(to: .now)
      return progress
    }
  }

  /// Counts what one question gave.
  func add(_ gathered: Gathered) {
    state.withLock { progress in
      progress.fetchedObjectCount += gathered.fetched.count
      progress.fetchedByteCount += gathered.fetched.reduce(0) { $0 + $1.bytes.count }
      progress.heldObjectCount += gathered.heldCount
      progress.heldByteCount += gathered.heldByteCount
      progress.damagedObjectCount += gathered.damaged.count
    }
    report(progress)
  }

  /// Counts a body.
  func add(body: [UInt8], isFetched: Bool) {
    state.withLock { progress in
      if isFetched {
        progress.fetchedObjectCount += 1
        progress.fetchedByteCount += body.count
      } else {
        progress.heldObjectCount += 1
        progress.heldByteCount += body.count
      }
    }
    report(progress)
  }
}
