import Core
import Dump
import NIOCore
import Wire

/// Sealed objects of about 32 MiB of state, which go to the archive sorted by id.
///
/// The sorting is all the hiding of the state's order that a stream allows. A window ends after so many pieces of
/// state, whatever they shrank to, so that its memory is bounded too.
struct PushWindow: Sendable {
  /// How many pieces of state fill a window.
  static let pieceLimit = (32 << 20) / DumpSender.pieceByteCount

  /// One object and where its bytes lie.
  struct Entry: Sendable {
    let id: Digest
    fileprivate let place: Place
    let byteCount: Int

    var kind: ObjectKind {
      switch place {
      case .piece: .chunk
      case .node: .node
      }
    }
  }

  /// Where an object's bytes lie.
  fileprivate enum Place {
    case piece(UInt32, offset: UInt32)
    case node(UInt32)
  }

  private(set) var entries: [Entry] = []
  private var buffers: [PieceBuffer] = []
  private var nodes: [[UInt8]] = []
  private var pieceCount = 0

  var isFull: Bool { pieceCount >= PushWindow.pieceLimit }
  var isEmpty: Bool { pieceCount == 0 && nodes.isEmpty }
  /// Bytes of all objects of the dump that came by, those of repeated and known ones each time.
  private(set) var sealedByteCount = 0
  /// How many objects came by, counted in the same way.
  private(set) var sealedObjectCount = 0

  /// Takes a piece: the chunks that were sealed with the buffer that they lie in; those that an earlier epoch brought
  /// are only counted.
  mutating func append(_ piece: SealedPiece) {
    pieceCount += 1
    let number = UInt32(buffers.count)
    if let buffer = piece.buffer { buffers.append(buffer) }
    for chunk in piece.chunks {
      let reference = chunk.reference
      count(reference.sealedByteCount)
      guard let offset = chunk.offset else { continue }
      entries.append(
        Entry(
          id: reference.id, place: .piece(number, offset: UInt32(offset)), byteCount: reference.sealedByteCount))
    }
  }

  /// Takes a node.
  mutating func append(_ node: SealedNode) {
    count(node.bytes.count)
    entries.append(Entry(id: node.reference.id, place: .node(UInt32(nodes.count)), byteCount: node.bytes.count))
    nodes.append(node.bytes)
  }

  private mutating func count(_ byteCount: Int) {
    sealedByteCount += byteCount
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
    switch entry.place {
    case .node(let number):
      data.writeBytes(nodes[Int(number)])
    case .piece(let number, let offset):
      let start = Int(offset)
      let range = start..<start + entry.byteCount
      data.writeBytes(UnsafeRawBufferPointer(rebasing: buffers[Int(number)].memory[range]))
    }
  }

  /// Gives the buffers back; the window is empty then.
  mutating func takeBuffers() -> [PieceBuffer] {
    defer { self = PushWindow() }
    return buffers
  }
}
