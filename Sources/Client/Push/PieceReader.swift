import Dump

/// Reads a state in pieces and cuts them into chunks; what a piece leaves over begins the next one.
///
/// One piece is read at a time: whoever asks for the next one has the one before, of which it is what is left over.
/// An actor alone would not see to that, since it takes up another call wherever one of its own waits.
actor PieceReader {
  private let input: StateInput
  private var cutter: StateCutter
  /// What the piece before left over, less than the longest chunk.
  private let rest: PieceBuffer
  private var restByteCount = 0
  private var number = 0
  /// Bytes of state before the next piece.
  private var offset = 0
  private var isReading = false

  /// A reader of one state.
  ///
  /// - Parameters:
  ///   - input: the state.
  ///   - cutter: cuts it.
  ///   - chunkByteCountLimit: the longest chunk.
  init(_ input: StateInput, cutter: consuming StateCutter, chunkByteCountLimit: Int) {
    self.input = input
    self.cutter = cutter
    rest = PieceBuffer(byteCount: chunkByteCountLimit)
  }

  /// The next piece, in a buffer that is longer than the longest chunk.
  ///
  /// - Precondition: no other piece is being read.
  /// - Throws: `push.input`, `push.changed`.
  func next(in buffer: PieceBuffer) async throws -> PlainPiece {
    precondition(!isReading, "one piece is read at a time")
    isReading = true
    defer { isReading = false }
    buffer.memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.memory[..<restByteCount]))
    let readByteCount = try await input.read(into: buffer, after: restByteCount)
    let byteCount = restByteCount + readByteCount
    let isLast = byteCount < buffer.memory.count
    let bytes = UnsafeRawBufferPointer(rebasing: buffer.memory[..<byteCount])
    let cuts = cutter.cut(bytes, isEnd: isLast, at: offset)
    let cutByteCount = cuts.ranges.last?.upperBound ?? 0
    restByteCount = byteCount - cutByteCount
    rest.memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[cutByteCount...]))
    defer {
      number += 1
      offset += cutByteCount
    }
    return PlainPiece(
      number: number, offset: offset, buffer: buffer, readByteCount: readByteCount, cuts: cuts, isLast: isLast)
  }
}

/// A piece of state, with its cuts.
struct PlainPiece: Sendable {
  /// Its place among the pieces, from 0.
  let number: Int
  /// Where in the state its first chunk begins.
  let offset: Int
  let buffer: PieceBuffer
  /// How many bytes were read for it.
  let readByteCount: Int
  /// Its chunks, from the buffer's beginning on; none only where the state ends with the piece before.
  let cuts: Cuts
  /// Whether the state ends with this piece.
  let isLast: Bool
}
