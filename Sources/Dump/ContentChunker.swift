import Bulk
import Core
import Sodium

/// Cuts a stream of bytes where its content says so, under a key: an inserted byte moves the cuts around it
/// and no others.
///
/// A ``GearHash`` without a key nominates one position in 32; AES-128 under a key of the generation's decides
/// at those alone. So what a cut shows is that its position was nominated, which anyone can compute, and one
/// pseudo-random bit; `Schema/dump.md` has the argument.
///
/// It owns no bytes of the stream: a caller hands over what it has, gets ranges of it, and brings what no range
/// covers again, at the front of its next buffer. A buffer as long as the longest chunk is always cut.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the memory.
public struct ContentChunker: ~Copyable, @unchecked Sendable {
  /// How many bytes are hashed before the cipher decides, in one batch, on what they nominated.
  private static let spanByteCount = 1 << 9

  private var cipher: AES128
  private let minimumByteCount: Int
  private let maximumByteCount: Int
  /// A nominated position is picked where its block's first eight bytes are a number below this.
  private let pickLimit: UInt64
  /// The states at a span's nominated positions, in the stream's order: at most one a byte.
  private let states = UnsafeMutablePointer<UInt64>.allocate(capacity: spanByteCount)
  /// What the cipher makes of them.
  private let blocks = UnsafeMutableRawBufferPointer.allocate(
    byteCount: spanByteCount * AES128.blockByteCount, alignment: 16)

  /// A chunker for a generation's states.
  public init(_ average: ChunkerParameters.ContentAverage, secret: borrowing GenerationSecret) {
    cipher = ContentChunker.cipher(secret)
    let parameters = ChunkerParameters.content(average)
    minimumByteCount = parameters.chunkByteCountMinimum
    maximumByteCount = parameters.chunkByteCount
    let distance = (Int(average.rawValue) - minimumByteCount) / GearHash.nominationDistance
    pickLimit = UInt64.max / UInt64(distance) + 1
  }

  deinit {
    // Hashes of the state, and what the key makes of them.
    wipe(UnsafeMutableRawBufferPointer(start: states, count: ContentChunker.spanByteCount * 8))
    states.deallocate()
    wipe(blocks)
    blocks.deallocate()
  }

  /// The permutation that decides: its key is the first half of `HMAC-SHA-256(secret, str(purpose))`.
  private static func cipher(_ secret: borrowing GenerationSecret) -> AES128 {
    var code = secret.withUnsafeBytes { HMACSHA256(key: $0) }
    var label: [UInt8] = []
    label.append(string: "postern/v1/dump/cut")
    label.withUnsafeBytes { code.update($0) }
    return withUnsafeTemporaryAllocation(byteCount: HMACSHA256.byteCount, alignment: 8) { key in
      defer { wipe(key) }
      code.finish(into: key)
      return AES128(key: UnsafeRawBufferPointer(rebasing: key[..<AES128.keyByteCount]))
    }
  }

  /// Cuts what lies in a buffer.
  ///
  /// - Parameters:
  ///   - bytes: the stream's next bytes, beginning with those that the last call left over.
  ///   - isEnd: whether the stream ends with this buffer, which is then cut to its end.
  ///   - cuts: where the ranges go, appended, in order; none is empty.
  /// - Returns: how many bytes the ranges cover; fewer than the longest chunk's are left over.
  public mutating func cut(_ bytes: UnsafeRawBufferPointer, isEnd: Bool, into cuts: inout [Range<Int>]) -> Int {
    var start = 0
    while let count = first(UnsafeRawBufferPointer(rebasing: bytes[start...]), isEnd: isEnd) {
      cuts.append(start..<start + count)
      start += count
    }
    return start
  }

  /// The length of the chunk that begins a buffer, which its own bytes alone decide.
  ///
  /// - Returns: nil where the buffer is empty, or too short to tell and not the stream's end.
  mutating func first(_ bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
    guard !bytes.isEmpty else { return nil }
    return chunkByteCount(bytes) ?? (isEnd ? bytes.count : nil)
  }

  /// The length of the chunk that begins a buffer; nil where the buffer is too short to tell.
  private mutating func chunkByteCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let isLongest = bytes.count >= maximumByteCount
    let end = isLongest ? maximumByteCount - 1 : bytes.count
    var start = minimumByteCount - 1
    // No earlier byte has a part in the first state that matters.
    var hash = start < end ? GearHash.state(before: start, in: bytes) : 0
    while start < end {
      let span = start..<min(end, start + ContentChunker.spanByteCount)
      let count = nominate(in: bytes, span, &hash)
      if let number = pick(count) { return position(number, in: bytes, span) + 1 }
      start = span.upperBound
    }
    return isLongest ? maximumByteCount : nil
  }

  /// Notes the states at a span's nominated positions.
  ///
  /// Every state is written and only the nominated ones are counted: a branch that is guessed wrong once in 32
  /// bytes would cost more, and so would a second thing to write.
  ///
  /// - Returns: how many there are.
  private mutating func nominate(
    in bytes: UnsafeRawBufferPointer, _ span: Range<Int>, _ hash: inout UInt64
  ) -> Int {
    GearHash.table.withUnsafeBufferPointer { table in
      var state = hash
      var count = 0
      func note(_ state: UInt64) {
        states[count] = state
        count &+= state < GearHash.nominationLimit ? 1 : 0
      }
      var offset = span.lowerBound
      // Four bytes a step: only the last of four states waits for the one before.
      while offset &+ 4 <= span.upperBound {
        let first = table[Int(bytes[offset])]
        let second = (first &<< 1) &+ table[Int(bytes[offset &+ 1])]
        let third = (second &<< 1) &+ table[Int(bytes[offset &+ 2])]
        let fourth = (third &<< 1) &+ table[Int(bytes[offset &+ 3])]
        note((state &<< 1) &+ first)
        note((state &<< 2) &+ second)
        note((state &<< 3) &+ third)
        state = (state &<< 4) &+ fourth
        note(state)
        offset &+= 4
      }
      while offset < span.upperBound {
        state = (state &<< 1) &+ table[Int(bytes[offset])]
        note(state)
        offset &+= 1
      }
      hash = state
      return count
    }
  }

  /// Which of a span's nominated positions the cipher picks; nil where none.
  private mutating func pick(_ count: Int) -> Int? {
    for number in 0..<count {
      blocks.storeBytes(of: states[number].bigEndian, toByteOffset: number * AES128.blockByteCount, as: UInt64.self)
      blocks.storeBytes(of: 0, toByteOffset: number * AES128.blockByteCount + 8, as: UInt64.self)
    }
    cipher.encrypt(UnsafeMutableRawBufferPointer(rebasing: blocks[..<(count * AES128.blockByteCount)]))
    return (0..<count).first { number in
      UInt64(bigEndian: blocks.load(fromByteOffset: number * AES128.blockByteCount, as: UInt64.self)) < pickLimit
    }
  }

  /// Where a span's nominated position of this number lies.
  private func position(_ number: Int, in bytes: UnsafeRawBufferPointer, _ span: Range<Int>) -> Int {
    var hash = GearHash.state(before: span.lowerBound, in: bytes)
    var count = 0
    for offset in span {
      hash = GearHash.state(after: bytes[offset], hash)
      guard hash < GearHash.nominationLimit else { continue }
      if count == number { return offset }
      count += 1
    }
    preconditionFailure("the same bytes nominate the same positions")
  }
}
