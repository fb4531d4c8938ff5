import Client
import Synchronization
import Testing

/// What a push says of itself: whatever breaks meanwhile, the share deduplicated is one of distinct windows.
@Suite struct PushMeterTests {
  private let meter = PushMeter(totalByteCount: 400) { _ in }

  private func amount(_ objectCount: Int, _ byteCount: Int) -> PushMeter.Amount {
    PushMeter.Amount(objectCount: objectCount, byteCount: byteCount)
  }

  /// A window that goes out whole.
  private func pass(_ number: Int, sealed: Int, lacked: Int) {
    meter.archiveLacks(amount(lacked / 10, lacked), ofWindow: number)
    meter.sent(amount(lacked / 10, lacked))
    meter.arrived(amount(sealed / 10, sealed), ofWindow: number)
  }

  @Test func countsWhatTheArchiveLacked() {
    #expect(meter.progress.deduplicatedShare == 0)
    pass(0, sealed: 200, lacked: 150)
    pass(1, sealed: 200, lacked: 0)
    let progress = meter.progress
    #expect(progress.sealedByteCount == 400 && progress.sentByteCount == 150 && progress.lackedByteCount == 150)
    #expect(progress.sealedObjectCount == 40 && progress.sentObjectCount == 15 && progress.lackedObjectCount == 15)
    #expect(progress.deduplicatedShare == 1 - 150.0 / 400)
  }

  /// A window is sent three times, the connection breaking twice: what went out counts, the share does not move.
  @Test func aWindowThatIsSentAgainIsOne() {
    meter.archiveLacks(amount(20, 200), ofWindow: 0)
    meter.sent(amount(18, 180))
    // The archive was restarted, and lost it.
    meter.archiveLacks(amount(20, 200), ofWindow: 0)
    meter.sent(amount(20, 200))
    // It got some of it this time.
    meter.archiveLacks(amount(5, 50), ofWindow: 0)
    meter.sent(amount(5, 50))
    #expect(meter.progress.deduplicatedShare == 0)
    meter.arrived(amount(20, 200), ofWindow: 0)
    let progress = meter.progress
    #expect(progress.sentByteCount == 430 && progress.sentObjectCount == 43)
    #expect(progress.sealedByteCount == 200 && progress.lackedByteCount == 200 && progress.deduplicatedShare == 0)
  }

  /// A restart that loses objects which the archive had been said to have makes no share negative either.
  @Test func whatIsLostLaterWasDeduplicatedAllTheSame() {
    meter.archiveLacks(amount(0, 0), ofWindow: 0)
    meter.archiveLacks(amount(20, 200), ofWindow: 0)
    meter.sent(amount(20, 200))
    meter.arrived(amount(20, 200), ofWindow: 0)
    #expect(meter.progress.deduplicatedShare == 1 && meter.progress.sentByteCount == 200)
  }

  /// Windows come to their end in any order.
  @Test func windowsSideBySide() {
    meter.archiveLacks(amount(10, 100), ofWindow: 0)
    meter.archiveLacks(amount(5, 50), ofWindow: 1)
    meter.arrived(amount(20, 200), ofWindow: 1)
    #expect(meter.progress.deduplicatedShare == 0.75)
    meter.arrived(amount(20, 200), ofWindow: 0)
    #expect(meter.progress.deduplicatedShare == 1 - 150.0 / 400)
  }

  /// A state that is read once more is the same state.
  @Test func aRewindCountsNothingTwice() {
    meter.read(byteCount: 400)
    pass(0, sealed: 200, lacked: 200)
    pass(1, sealed: 200, lacked: 100)
    meter.enter(.sealing)
    let share = meter.progress.deduplicatedShare
    meter.rewind()
    #expect(meter.progress.readByteCount == 0 && meter.progress.phase == .sending)
    meter.read(byteCount: 400)
    pass(0, sealed: 200, lacked: 200)
    pass(1, sealed: 200, lacked: 200)
    let progress = meter.progress
    #expect(progress.readByteCount == 400 && progress.sealedByteCount == 400 && progress.lackedByteCount == 300)
    #expect(progress.sentByteCount == 700 && progress.deduplicatedShare == share)
    #expect((0...1).contains(progress.deduplicatedShare))
  }

  @Test func tellsWhoeverWatches() {
    let told = Mutex<[Int]>([])
    let meter = PushMeter(totalByteCount: nil) { progress in told.withLock { $0.append(progress.readByteCount) } }
    meter.read(byteCount: 3)
    meter.read(byteCount: 4)
    #expect(told.withLock { $0 } == [3, 7])
  }
}
