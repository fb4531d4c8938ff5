import Bulk
import Client
import Core
import Dump
import Fixtures
import Merkle
import Synchronization
import Testing
import Trust

/// What a source sends is judged object by object, before the next one is taken into memory.
@Suite struct GatheringTests {
  @Test func theFirstObjectOfAnotherLengthEndsTheQuestion() async throws {
    let ids = (UInt8(0)..<100).map { SHA256.hash([$0]) }
    let source = Excess(byteCount: 100_000)
    let query = try ObjectQuery(app: .zero, generation: 1, ids: ids)
    let error = await refusal {
      try await source.gatherAll(query) { (object) throws(PosternError) in
        guard object.bytes.count <= 5_012 else { throw PosternError.mismatchedObject(object.id) }
      }
    }
    #expect(error?.code == .sourceMismatch)
    #expect(source.sentCount == 1)
  }

  @Test func whatIsNotWantedIsLeftOut() async throws {
    let ids = (UInt8(0)..<100).map { SHA256.hash([$0]) }
    let source = Excess(byteCount: 100)
    let wanted = try await source.gather(try ObjectQuery(app: .zero, generation: 1, ids: ids)) { $0.id < ids[0] }
    #expect(Set(wanted.map(\.id)) == Set(ids.filter { $0 < ids[0] }))
    #expect(source.sentCount == 100)
  }

  /// A long message with a short object in it is not kept for the object's sake.
  @Test func whatAnObjectCameInIsLetGo() async throws {
    let source = Excess(byteCount: 100)
    let query = try ObjectQuery(app: .zero, generation: 1, ids: (UInt8(0)..<10).map { SHA256.hash([$0]) })
    let gathered = try await source.gatherAll(query) { _ in }
    #expect(gathered.allSatisfy { $0.bytes == [UInt8](repeating: 0, count: 100) } && gathered.count == 10)
    #expect(source.heldCount == 0)
  }
}

/// What objects came in.
private final class Message: SharedMemory {
  private let bytes: [UInt8]

  init(byteCount: Int) { bytes = [UInt8](repeating: 0, count: byteCount) }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBytes(body)
  }
}

private struct WeakMessage: Sendable {
  weak let message: Message?
}

/// A source that answers whatever is asked for with objects of one length, one at a time.
private final class Excess: Source {
  private let byteCount: Int
  private let count = Mutex(0)
  private let messages = Mutex<[WeakMessage]>([])

  init(byteCount: Int) { self.byteCount = byteCount }

  var sentCount: Int { count.withLock { $0 } }
  /// How many messages somebody still has.
  var heldCount: Int { messages.withLock { $0.count { $0.message != nil } } }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    for id in query.ids {
      count.withLock { $0 += 1 }
      let message = Message(byteCount: byteCount)
      messages.withLock { $0.append(WeakMessage(message: message)) }
      try await receive([SourceObject(id: id, bytes: SharedBytes(message, 0..<byteCount))])
    }
  }

  func checkpoint() async throws -> [UInt8] { throw Excess.absent }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { throw Excess.absent }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { throw Excess.absent }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] { throw Excess.absent }

  private static let absent = PosternError(.sourceAbsent, "It is not here.", advice: "Look elsewhere.")
}
