import Core
import Dump
import NIOCore
import Wire

/// Sealed objects of about 32 MiB of state, which go to the archive sorted by id.
///
/// The sorting is all the hiding of the state's order that a stream allows. A window ends after so many pieces of
/// state, whatever they shrank to, so that its memory is bounded too.
struct PushWindow: Sendable {
  /// How many pieces of state, of a quarter of a mebibyte each, fill a window.
  static let pieceLimit = 128

  /// One object and where its bytes lie.
  struct Entry: Sendable {
    let id: Digest
    let kind: ObjectKind
    /// Which piece or node.
    fileprivate let place: UInt32
    fileprivate let offset: UInt32
    let byteCount: Int
  }

  private(set) var entries: [Entry] = []
  private var pieces: [PieceBuffer] = []
  private var nodes: [[UInt8]] = []

  var isFull: Bool { pieces.count >= PushWindow.pieceLimit }
  var isEmpty: Bool { entries.isEmpty }
  /// Bytes of all objects that were sealed, those of repeated ones each time.
  private(set) var sealedByteCount = 0
  /// How many objects were sealed, repeated ones counted each time.
  private(set) var sealedObjectCount = 0

  /// Takes a piece's chunks, and the buffer that they lie in.
  mutating func append(_ chunks: [SealedChunk], in buffer: PieceBuffer) {
    let place = UInt32(pieces.count)
    pieces.append(buffer)
    for chunk in chunks {
      append(
        Entry(
          id: chunk.reference.id, kind: .chunk, place: place, offset: UInt32(chunk.offset),
          byteCount: chunk.reference.sealedByteCount))
    }
  }

  /// Takes a node.
  mutating func append(_ node: SealedNode) {
    append(
      Entry(
        id: node.reference.id, kind: .node, place: UInt32(nodes.count), offset: 0, byteCount: node.bytes.count))
    nodes.append(node.bytes)
  }

  private mutating func append(_ entry: Entry) {
    entries.append(entry)
    sealedByteCount += entry.byteCount
    sealedObjectCount += 1
  }

  /// Sorts the objects by id, each once.
  mutating func sort() {
    entries.sort { $0.id < $1.id }
    var last: Digest?
    entries.removeAll { entry in
      defer { last = entry.id }
      return entry.id == last
    }
  }

  /// Appends an object's bytes to a message.
  func write(_ entry: Entry, to data: inout ByteBuffer) {
    switch entry.kind {
    case .node:
      data.writeBytes(nodes[Int(entry.place)])
    default:
      let start = Int(entry.offset)
      let range = start..<start + entry.byteCount
      data.writeBytes(UnsafeRawBufferPointer(rebasing: pieces[Int(entry.place)].memory[range]))
    }
  }

  /// Gives the buffers back; the window is empty then.
  mutating func recycle(into pool: BufferPool) {
    for piece in pieces { pool.give(piece) }
    self = PushWindow()
  }
}

/// What an object is, as batches carry it.
enum ObjectKind: UInt8, Sendable {
  case chunk = 1
  case node = 2
}
