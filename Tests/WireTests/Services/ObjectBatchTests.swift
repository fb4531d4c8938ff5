import Core
import Foundation
import GRPCCore
import NIOCore
import SwiftProtobuf
import Testing
import Wire

@Suite struct ObjectBatchTests {
  private func digest(_ value: UInt8) -> Digest { Digest([UInt8](repeating: value, count: 32)) ?? .zero }

  private func batch(_ lengths: [Int], token: [UInt8] = []) throws -> ObjectBatch {
    let objects = lengths.enumerated().map { index, length in
      ObjectBatch.Object(id: digest(UInt8(index & 255)), kind: UInt8(index % 3 + 1), byteCount: length)
    }
    var data = ByteBuffer()
    for (index, length) in lengths.enumerated() { data.writeRepeatingByte(UInt8(index & 255), count: length) }
    return try ObjectBatch(token: token, objects: objects, data: data)
  }

  private func generated(_ batch: ObjectBatch) -> Postern_V1_ObjectBatch {
    var message = Postern_V1_ObjectBatch()
    message.token = Data(batch.token)
    message.ids = Data(batch.objects.flatMap(\.id.bytes))
    message.kinds = Data(batch.objects.map(\.kind))
    message.lengths = batch.objects.map { UInt32($0.byteCount) }
    message.data = Data(batch.data.readableBytesView)
    return message
  }

  private var samples: [ObjectBatch] {
    get throws {
      [
        try batch([]), try batch([0]), try batch([0, 1, 127, 128, 16_383, 16_384], token: [1, 2, 3]),
        try batch([Int](repeating: 3, count: 300), token: [UInt8](repeating: 9, count: 64)), try batch([2_097_152]),
      ]
    }
  }

  @Test func theBytesAreThoseOfTheGeneratedMessage() throws {
    for batch in try samples {
      let ours: WireBytes = try ObjectBatchSerializer().serialize(batch)
      let theirs: [UInt8] = try generated(batch).serializedBytes()
      #expect(Array(ours.joined.readableBytesView) == theirs)
      let plain: [UInt8] = try ObjectBatchSerializer().serialize(batch)
      #expect(plain == theirs)
      #expect(try ObjectBatchDeserializer().deserialize(WireBytes(theirs)) == batch)
      #expect(try ObjectBatchDeserializer().deserialize(theirs) == batch)
    }
  }

  /// Who fills messages up to a length reckons with these.
  @Test func whatStandsBesideTheDataIsBounded() throws {
    let full = try batch([Int](repeating: 64, count: ObjectBatch.objectLimit), token: [UInt8](repeating: 9, count: 64))
    for batch in try samples + [full] {
      let bytes: WireBytes = try ObjectBatchSerializer().serialize(batch)
      let headByteCount = bytes.joined.readableBytes - batch.data.readableBytes
      let limit =
        ProtocolLimits.batchHeadByteCount + batch.objects.count * ProtocolLimits.batchedObjectHeadByteCount
      #expect(headByteCount <= limit)
    }
  }

  @Test func dataIsNeverCopied() throws {
    let batch = try batch([100_000])
    let bytes: WireBytes = try ObjectBatchSerializer().serialize(batch)
    func place(_ buffer: ByteBuffer?) -> UnsafeRawPointer? { buffer?.withUnsafeReadableBytes { $0.baseAddress } }
    #expect(place(bytes.tail) == place(batch.data))
    let arrived = bytes.joined
    let read = try ObjectBatchDeserializer().deserialize(WireBytes(arrived))
    let offset = arrived.readableBytes - 100_000
    #expect(place(read.data) == place(arrived).map { $0 + offset })
  }

  @Test func otherSendersMayOrderFieldsAsTheyLike() throws {
    let expected = try batch([5, 6], token: [7])
    // Data first, lengths one by one, an unknown field of each wire type, a token that is given twice.
    var bytes: [UInt8] = [0x7A, 11] + [UInt8](repeating: 0, count: 5) + [UInt8](repeating: 1, count: 6)
    bytes += [0x20, 5, 0xA0, 0x06, 0x80, 0x01, 0x20, 6]
    bytes += [0x32, 1, 9, 0x39] + [UInt8](repeating: 3, count: 8) + [0x45, 1, 2, 3, 4]
    bytes += [0x0A, 1, 99, 0x0A, 1, 7]
    bytes += [0x1A, 2, 1, 2, 0x12, 64] + [UInt8](repeating: 0, count: 32) + [UInt8](repeating: 1, count: 32)
    #expect(try ObjectBatchDeserializer().deserialize(bytes) == expected)
    let theirs = try Postern_V1_ObjectBatch(serializedBytes: bytes)
    #expect(theirs.lengths == [5, 6] && theirs.token == Data([7]))
  }

  @Test func batchesThatDoNotAddUpAreRefused() throws {
    let good = generated(try batch([5, 6]))
    var wrong: [Postern_V1_ObjectBatch] = []
    func change(_ edit: (inout Postern_V1_ObjectBatch) -> Void) {
      var message = good
      edit(&message)
      wrong.append(message)
    }
    change { $0.ids.removeLast() }
    change { $0.kinds.append(1) }
    change { $0.lengths[0] = 4 }
    change { $0.lengths[0] = .max }
    change { $0.lengths.append(0) }
    change { $0.data.append(0) }
    change { $0.data.removeAll() }
    for message in wrong {
      let bytes: [UInt8] = try message.serializedBytes()
      let error = #expect(throws: PosternError.self) { try ObjectBatchDeserializer().deserialize(bytes) }
      #expect(error?.code == .wireMalformed)
    }
    #expect(throws: PosternError.self) { try ObjectBatch(objects: [], data: ByteBuffer(bytes: [1])) }
    #expect(throws: PosternError.self) {
      try ObjectBatch(objects: [.init(id: .zero, kind: 1, byteCount: -1)], data: ByteBuffer())
    }
  }

  @Test func batchesBeyondALimitAreRefusedAlikeOnBothSides() throws {
    var wrong: [(message: Postern_V1_ObjectBatch, make: () throws -> ObjectBatch)] = []
    func add(_ lengths: [Int], token: [UInt8] = []) throws {
      var message = Postern_V1_ObjectBatch()
      message.token = Data(token)
      message.ids = Data(count: lengths.count * Digest.byteCount)
      message.kinds = Data(repeating: 1, count: lengths.count)
      message.lengths = lengths.map { UInt32($0) }
      message.data = Data(count: lengths.reduce(0, +))
      wrong.append((message, { try self.batch(lengths, token: token) }))
    }
    try add([5, 6], token: [UInt8](repeating: 9, count: ObjectBatch.tokenLimit + 1))
    try add([Int](repeating: 0, count: ObjectBatch.objectLimit + 1))
    try add([ObjectBatch.dataLimit, 1])
    try add([ObjectBatch.dataLimit + 1, 0])
    for (message, make) in wrong {
      let bytes: [UInt8] = try message.serializedBytes()
      let received = #expect(throws: PosternError.self) { try ObjectBatchDeserializer().deserialize(bytes) }
      #expect(received?.code == .wireTooLarge)
      let made = #expect(throws: PosternError.self) { try make() }
      #expect(made?.code == .wireTooLarge)
    }
    for lengths in [[ObjectBatch.dataLimit - 1, 1], [ObjectBatch.dataLimit * 2]] {
      let bytes: [UInt8] = try ObjectBatchSerializer().serialize(try batch(lengths))
      let read = try ObjectBatchDeserializer().deserialize(bytes)
      #expect(read.objects.map(\.byteCount) == lengths)
    }
  }

  @Test func hostileBytesAreRefused() throws {
    let wrong: [[UInt8]] = [
      [0x0A], [0x0A, 1], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x00, 0], [0x0B], [0x0C], [0x0F, 1],
      [0x20] + [UInt8](repeating: 0x80, count: 10) + [0],
      [0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2],
      [0x7A] + [UInt8](repeating: 0xFF, count: 9) + [1], [0x39, 1], [0x45, 1], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    ]
    for bytes in wrong {
      #expect(throws: PosternError.self, "\(bytes)") { try ObjectBatchDeserializer().deserialize(bytes) }
    }
  }

  @Test func randomBytesNeverCrashAndAgreeWithTheGeneratedCode() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let original: [UInt8] = try generated(try batch([5, 6, 70], token: [7])).serializedBytes()
    for _ in 0..<20_000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      guard let batch = try? ObjectBatchDeserializer().deserialize(bytes) else { continue }
      let theirs = try Postern_V1_ObjectBatch(serializedBytes: bytes)
      #expect(
        theirs.data == Data(batch.data.readableBytesView) && theirs.ids == Data(batch.objects.flatMap(\.id.bytes)))
    }
  }
}
