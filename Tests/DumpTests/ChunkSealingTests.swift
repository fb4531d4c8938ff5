import Bulk
import Core
import Dump
import Testing

@Suite struct ChunkSealingTests {
  private func cuts(_ state: [UInt8], _ parameters: ChunkerParameters) -> [Range<Int>] {
    var chunker = Chunker(parameters, secret: secret())
    var cuts: [Range<Int>] = []
    _ = state.withUnsafeBytes { chunker.cut($0, isEnd: true, into: &cuts) }
    return cuts
  }

  private func open(
    _ batch: SealedBatch, with opener: inout ChunkOpener
  ) throws -> [UInt8] {
    var state: [UInt8] = []
    for chunk in batch.chunks {
      var plain = [UInt8](repeating: 0xEE, count: chunk.reference.plainByteCount)
      try batch.bytes[chunk.range].withUnsafeBytes { object in
        try plain.withUnsafeMutableBytes { try opener.open(object, chunk.reference, into: $0) }
      }
      state += plain
    }
    return state
  }

  @Test func statesOfEveryLengthComeBackFromEveryChunker() throws {
    var random = SeededGenerator.printing()
    for chunker in everyChunker {
      var sealer = ChunkSealer(secret: secret(), chunker: chunker)
      var opener = ChunkOpener(chunker: chunker)
      let edge = chunker.chunkByteCount
      for count in [0, 1, 511, 512, edge - 1, edge, edge + 1, 3 * edge, 2_000_003] {
        let state = random.state(count)
        let ranges = cuts(state, chunker)
        let batch = state.withUnsafeBytes { sealer.seal(ranges, of: $0) }
        #expect(batch.chunks.map(\.offset) == starts(batch.chunks.map(\.reference.sealedByteCount)))
        #expect(batch.chunks.allSatisfy { chunker.isSealedByteCount($0.reference.sealedByteCount) })
        let opened = try open(batch, with: &opener)
        #expect(opened == state)
        #expect(batch.bytes.count <= chunker.sealedByteCountLimit(stateByteCount: count))
      }
    }
  }

  /// Equal chunks of one generation are one object; another generation shares nothing.
  @Test func sealingIsAFunctionOfGenerationAndChunk() {
    var random = SeededGenerator.printing()
    let state = random.state(500_000)
    let ranges = cuts(state, .fixed(.kib16))
    func ids(_ byte: UInt8, backwards: Bool = false) -> [Digest] {
      var sealer = ChunkSealer(secret: secret(byte), chunker: .fixed(.kib16))
      let order = backwards ? ranges.reversed() : ranges
      let ids = state.withUnsafeBytes { sealer.seal(order, of: $0).chunks.map(\.reference.id) }
      return backwards ? ids.reversed() : ids
    }
    #expect(ids(1) == ids(1))
    #expect(ids(1) == ids(1, backwards: true))
    #expect(Set(ids(1)).isDisjoint(with: ids(2)))
  }

  /// Neither what lay in the output before nor the compressor's memory of other chunks shows.
  @Test func outputIsWrittenInFull() {
    var random = SeededGenerator.printing()
    let state = random.state(100_000)
    let ranges = cuts(state, .content(.kib8))
    let sealed = [0x00, 0xFF].map { (filler: UInt8) -> [UInt8] in
      var sealer = ChunkSealer(secret: secret(), chunker: .content(.kib8))
      var output = [UInt8](repeating: filler, count: sealer.sealedByteCountLimit(of: ranges))
      var chunks: [SealedChunk] = []
      let count = state.withUnsafeBytes { state in
        output.withUnsafeMutableBytes { sealer.seal(ranges, of: state, into: $0, chunks: &chunks) }
      }
      return Array(output[..<count])
    }
    #expect(sealed[0] == sealed[1])
  }

  @Test func refusesEveryChangedByteAndOtherLengths() throws {
    var random = SeededGenerator.printing()
    let state = Array(random.bytes(3_000) + [UInt8](repeating: 0, count: 1_096))
    var sealer = ChunkSealer(secret: secret(), chunker: .fixed(.kib4))
    var opener = ChunkOpener(chunker: .fixed(.kib4))
    let batch = state.withUnsafeBytes { sealer.seal([0..<$0.count], of: $0) }
    let reference = try #require(batch.chunks.first?.reference)
    func refusal(
      _ object: [UInt8], id: Digest, plain: Int = 4_096, _ opener: inout ChunkOpener
    ) -> PosternError.Code? {
      let reference = ObjectReference(
        id: id, key: reference.key, sealedByteCount: reference.sealedByteCount, plainByteCount: plain)
      var output = [UInt8](repeating: 0, count: plain)
      do {
        try object.withUnsafeBytes { object in
          try output.withUnsafeMutableBytes { try opener.open(object, reference, into: $0) }
        }
        return nil
      } catch let error as PosternError {
        return error.code
      } catch {
        return "test.other-error"
      }
    }
    for place in batch.bytes.indices {
      var object = batch.bytes
      object[place] ^= UInt8(1 + random.next() % 255)
      let asItWas = refusal(object, id: reference.id, &opener)
      #expect(asItWas == .dumpWrongID)
      // Even where the id is made to fit, the key does not.
      let renamed = refusal(object, id: SHA256.hash(object), &opener)
      #expect(renamed == .dumpSealed)
    }
    for object in [[], Array(batch.bytes.dropLast()), batch.bytes + [0], batch.bytes + batch.bytes] {
      let refused = refusal(object, id: reference.id, &opener)
      #expect(refused == .dumpObjectLength)
    }
    for plain in [1, 4_095, 4_097, 65_536] {
      let refused = refusal(batch.bytes, id: reference.id, plain: plain, &opener)
      #expect(refused == .dumpChunkLength)
    }
    let good = refusal(batch.bytes, id: reference.id, &opener)
    #expect(good == nil)
  }

  /// Any message that a faulty uploader could seal, under the right key and id.
  ///
  /// It is refused or has as many bytes as its node says, and not one byte is written behind them, however much it
  /// would decompress to.
  @Test func anyMessageIsRefusedOrHasItsLength() throws {
    var random = SeededGenerator.printing()
    var sealer = ObjectSealer(secret: secret(), purpose: .chunk)
    var opener = ChunkOpener(chunker: .fixed(.kib4))
    var outcomes: [PosternError.Code?: Int] = [:]
    func open(_ message: [UInt8], plain: Int) -> [UInt8]? {
      var object = message + [UInt8](repeating: 0, count: AES256GCM.tagByteCount)
      let (id, key) = object.withUnsafeMutableBytes { sealer.seal($0, publicByteCount: 0) }
      let reference = ObjectReference(id: id, key: key, sealedByteCount: object.count, plainByteCount: plain)
      var output = [UInt8](repeating: 0xEE, count: plain + 4_096)
      var refused: PosternError.Code?
      do {
        try object.withUnsafeBytes { object in
          try output.withUnsafeMutableBytes {
            try opener.open(object, reference, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<plain]))
          }
        }
      } catch let error as PosternError {
        refused = error.code
      } catch {
        refused = "test.other-error"
      }
      outcomes[refused, default: 0] += 1
      #expect([nil, .dumpChunkFrame, .dumpChunkLength].contains(refused))
      #expect(output[plain...].allSatisfy { $0 == 0xEE })
      return refused == nil ? Array(output[..<plain]) : nil
    }
    // Raw noise, and text that compresses.
    for state in [random.bytes(600), Array(String(repeating: "account 7 ", count: 300).utf8)] {
      let good = try message(of: state)
      #expect(open(good, plain: state.count) == state)
      let stored = 5..<5 + good[1..<5].reduce(0) { $0 << 8 | Int($1) }
      for place in good.indices {
        for change in [UInt8(1), 0x80, UInt8(1 + random.next() % 255)] {
          var message = good
          message[place] ^= change
          let isOpened = open(message, plain: state.count) != nil
          // Neither header nor padding says anything twice.
          if !stored.contains(place) { #expect(!isOpened, "byte \(place)") }
        }
      }
      for plain in [1, state.count - 1, state.count + 1, 4_096] { #expect(open(good, plain: plain) == nil) }
    }
    for _ in 0..<3_000 {
      var message = random.bytes(517 + 512 * Int(random.next() % 8))
      message[0] = UInt8(random.next() % 3)
      let count = UInt32(random.next() % UInt64(message.count))
      withUnsafeBytes(of: count.bigEndian) { message.replaceSubrange(1..<5, with: $0) }
      if !random.next().isMultiple(of: 4) {
        for place in min(message.count, 5 + Int(count))..<message.count { message[place] = 0 }
      }
      _ = open(message, plain: 1 + Int(random.next() % 4_096))
    }
    print("opened and refused: \(outcomes)")
    #expect(outcomes[nil, default: 0] > 100 && outcomes[.dumpChunkLength, default: 0] > 100)
    #expect(outcomes[.dumpChunkFrame, default: 0] > 100)
  }

  /// The message of a state that is one chunk: its object, opened as far as the cipher goes.
  private func message(of state: [UInt8]) throws -> [UInt8] {
    var sealer = ChunkSealer(secret: secret(), chunker: .fixed(.kib4))
    let batch = state.withUnsafeBytes { sealer.seal([0..<$0.count], of: $0) }
    let reference = try #require(batch.chunks.first?.reference)
    var message = [UInt8](repeating: 0, count: batch.bytes.count - AES256GCM.tagByteCount)
    var cipher = AES256GCM()
    let opens = cipher.open(batch.bytes, key: bytes(of: reference.key), associatedData: [], into: &message)
    #expect(opens)
    return message
  }

  /// Tasks share a pool; each batch is what a sealer alone makes of it.
  @Test func aPoolServesManyTasks() async throws {
    var random = SeededGenerator.printing()
    let state = random.state(2_000_000)
    let ranges = cuts(state, .fixed(.kib8))
    let sealers = WorkerPool<ChunkSealer>(secret: secret(), chunker: .fixed(.kib8))
    let openers = WorkerPool<ChunkOpener>(chunker: .fixed(.kib8))
    let pieces = stride(from: 0, to: ranges.count, by: 16).map { Array(ranges[$0..<min($0 + 16, ranges.count)]) }
    let opened = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for (number, piece) in pieces.enumerated() {
        group.addTask {
          let batch = sealers.withWorker { sealer in state.withUnsafeBytes { sealer.seal(piece, of: $0) } }
          return (number, try openers.withWorker { opener in try open(batch, with: &opener) })
        }
      }
      return try await group.reduce(into: [Int: [UInt8]]()) { $0[$1.0] = $1.1 }
    }
    #expect(pieces.indices.flatMap { opened[$0] ?? [] } == state)
  }
}
