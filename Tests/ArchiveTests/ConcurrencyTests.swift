import Archive
import Core
import Fixtures
import Index
import Merkle
import Records
import Synchronization
import Testing
import Trust

/// Several applications, and several uploaders of one, all at once in one process.
@Suite struct ConcurrencyTests {
  @Test func eightPushersOfFourApplications() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let applications = try (1...4).map { try Application(home: archive.home, seed: UInt64($0)) }
    let receipts = Receipts()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for application in applications {
        group.addTask {
          receipts.add(try await application.register(in: archive), application.registration.record.leaf)
        }
      }
      try await group.waitForAll()
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (place, application) in applications.enumerated() {
        for number in 0..<2 {
          group.addTask {
            for round in 0..<5 {
              let state = UInt64(place * 100 + number * 10 + round)
              try await push(state, for: application, by: number, to: archive, receipts)
            }
          }
        }
      }
      try await group.waitForAll()
    }

    for (receipt, leaf) in receipts.all { try archive.expectGood(receipt, of: leaf) }
    let places = try receipts.all.map { try Receipt(parsing: $0.receipt).proven.index }.sorted()
    #expect(places.map(Int.init) == Array(0..<receipts.all.count))
    #expect(try archive.size() == UInt64(receipts.all.count))
    for application in applications {
      let numbers = try archive.epochs(app: application.app, before: nil, limit: 100).map(\.claim.number)
      #expect(numbers == (1...UInt64(numbers.count)).reversed() && numbers.count >= 5)
    }
    try expectPublished(archive, at: new.path)
  }

  /// Pushes an epoch after the newest; where the application's other uploader was faster, it is told so.
  private func push(
    _ state: UInt64, for application: Application, by number: Int, to archive: Archive, _ receipts: Receipts
  ) async throws {
    let shown = try archive.show(application.app)
    var (next, previous, version) = (UInt64(1), Digest.zero, UInt64(0))
    if let newest = shown.epoch, case .epoch(let fields) = try Record(parsing: newest.leaf).fields {
      (next, previous, version) = (fields.number + 1, TreeHash.leaf(newest.leaf), fields.stateVersion)
    }
    let epoch = try application.epoch(
      next, after: previous, state: Application.state(state), stateVersion: version, uploader: number)
    let error = await refusal {
      receipts.add(try await application.push(epoch, to: archive, uploader: number).receipt, epoch.leaf)
    }
    #expect(error == nil || error?.code == .epochTaken, "\(String(describing: error))")
    if error == nil { try archive.expectWhole(epoch, of: application) }
  }

  private final class Receipts: Sendable {
    private let list = Mutex<[(receipt: [UInt8], leaf: [UInt8])]>([])

    var all: [(receipt: [UInt8], leaf: [UInt8])] { list.withLock { $0 } }

    func add(_ receipt: [UInt8], _ leaf: [UInt8]) { list.withLock { $0.append((receipt, leaf)) } }
  }
}
