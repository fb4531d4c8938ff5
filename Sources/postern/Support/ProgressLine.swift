import Client
import Core
import Synchronization

/// A line at the terminal that says how far something is; silent where nobody reads along.
final class ProgressLine: Sendable {
  /// How often the line is drawn at the most.
  private static let period = Duration.milliseconds(200)

  private let isShown: Bool
  private let drawn = Mutex<ContinuousClock.Instant?>(nil)
  private let told = Mutex<ContinuousClock.Instant?>(nil)

  /// A line.
  ///
  /// - Parameter isShown: false where the output is for programs.
  init(isShown: Bool) {
    self.isShown = isShown && Console.isTerminal
  }

  /// Draws the line anew, if the last time is a while ago.
  func draw(_ line: () -> String) {
    guard isShown else { return }
    let now = ContinuousClock.now
    let isDue = drawn.withLock { last in
      if let last, last.duration(to: now) < ProgressLine.period { return false }
      if last == nil { Interruption.endsLine.store(true, ordering: .relaxed) }
      last = now
      return true
    }
    if isDue { Console.redraw(line()) }
  }

  /// Says something that stays, above the line; where nobody reads along, too.
  func note(_ text: String) {
    clear()
    Console.note(text)
  }

  /// What says that an archive is away, once for all the calls that notice it while it is waited for.
  func tellBroken(_ address: ArchiveAddress) -> @Sendable (PosternError) -> Void {
    let seconds = ArchiveConnection.patience.components.seconds
    return { error in
      guard self.isNewOutage() else { return }
      self.note(
        "The archive \(address.host):\(address.port) is away; trying again for \(seconds) s. \(error.message)")
    }
  }

  /// Whether the last remark that an archive is away is as old as the patience that it spoke of.
  private func isNewOutage() -> Bool {
    let now = ContinuousClock.now
    return told.withLock { last in
      if let last, last.duration(to: now) < ArchiveConnection.patience { return false }
      last = now
      return true
    }
  }

  /// Takes the line away.
  func clear() {
    guard isShown, drawn.withLock({ $0 != nil }) else { return }
    Console.redraw("")
  }
}

extension PushProgress {
  /// The progress in a line.
  var line: String {
    guard phase == .sending else { return "sealing the epoch" }
    let total = totalByteCount.map { " of " + Words.bytes($0) } ?? ""
    let left = secondsLeft.map { ", " + Words.seconds($0) + " left" } ?? ""
    return "\(Words.bytes(readByteCount))\(total), \(Words.bytes(Int(bytesPerSecond)))/s, "
      + "\(Words.share(deduplicatedShare)) deduplicated\(left)"
  }
}
