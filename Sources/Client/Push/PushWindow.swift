package import Core
package import Dump
import NIOCore
import Wire

/// Sealed objects of about 32 MiB of state, which go to the archive sorted by id, chunks before nodes.
///
/// The sorting is all the hiding of the state's order that a stream allows. Every window ends with the piece that
/// reaches a multiple of 32 MiB of the state, whatever it shrank to: so its memory is bounded too, and who recovers the
/// state finds the chunks of such a stretch side by side.
package struct PushWindow: Sendable {
  /// How much state a window is of.
  package static let byteCount = 32 << 20

  /// One object and where its bytes lie.
  package struct Entry: Sendable {
    package let id: Digest
    fileprivate let place: Place
    let byteCount: Int

    package var kind: ObjectKind {
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

  package private(set) var entries: [Entry] = []
  private var buffers: [PieceBuffer] = []
  private var nodes: [[UInt8]] = []
  /// How far into the state its pieces reach.
  private var offset: Int
  private let end: Int

  /// The window whose first piece begins at this byte of the state.
  package init(at offset: Int = 0) {
    self.offset = offset
    end = (offset / PushWindow.byteCount + 1) * PushWindow.byteCount
  }

  /// The window behind this one, empty still.
  package var next: PushWindow { PushWindow(at: offset) }
  package var isFull: Bool { offset >= end }
  var isEmpty: Bool { sealedObjectCount == 0 }
  /// Bytes of all objects of the dump that came by, those of repeated and known ones each time.
  private(set) var sealedByteCount = 0
  /// How many objects came by, counted in the same way.
  private(set) var sealedObjectCount = 0

  /// Takes a piece: the chunks that were sealed with the buffer that they lie in; those that an earlier epoch brought
  /// are only counted.
  package mutating func append(_ piece: SealedPiece) {
    let number = UInt32(buffers.count)
    if let buffer = piece.buffer { buffers.append(buffer) }
    for chunk in piece.chunks {
      let reference = chunk.reference
      count(reference.sealedByteCount)
      offset += reference.plainByteCount
      guard let place = chunk.offset else { continue }
      entries.append(
        Entry(id: reference.id, place: .piece(number, offset: UInt32(place)), byteCount: reference.sealedByteCount))
    }
  }

  /// Takes a node.
  package mutating func append(_ node: SealedNode) {
    count(node.bytes.count)
    entries.append(Entry(id: node.reference.id, place: .node(UInt32(nodes.count)), byteCount: node.bytes.count))
    nodes.append(node.bytes)
  }

  private mutating func count(_ byteCount: Int) {
    sealedByteCount += byteCount
    sealedObjectCount += 1
  }

  /// Sorts the objects, each once.
  package mutating func sort() {
    entries.sort { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
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
