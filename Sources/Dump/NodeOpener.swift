import Bulk
public import Core
import Sodium

/// Opens nodes, one thread at a time.
public struct NodeOpener: ~Copyable, Sendable {
  private var opener = ObjectOpener()
  private let chunker: ChunkerParameters

  /// An opener for the nodes of a dump.
  ///
  /// - Parameter chunker: how the dump's state was cut, as its capsule says.
  public init(chunker: ChunkerParameters) {
    self.chunker = chunker
  }

  /// A node's children in the state's order.
  ///
  /// - Parameters:
  ///   - node: the node's stored bytes.
  ///   - reference: what its parent, or the capsule, says of it.
  ///   - level: where it must stand; nil for a root, which may stand anywhere.
  /// - Returns: its level, and the children.
  /// - Throws: `dump.object-length`, `dump.wrong-id`, `dump.does-not-open`, `dump.node-*`,
  ///   `dump.child-length` or `dump.plain-length`.
  public mutating func open(
    _ node: ArraySlice<UInt8>, _ reference: ObjectReference, level: Int?
  ) throws(PosternError) -> (level: Int, children: [ObjectReference]) {
    try node.withUnsafeBufferPointer { bytes throws(PosternError) in
      try opener.check(UnsafeRawBufferPointer(bytes), id: reference.id, sealedByteCount: reference.sealedByteCount)
    }
    let publicPart = try NodePublicPart(parsing: node)
    guard level == nil || level == publicPart.level else { throw .nodeLevel }
    var message = [UInt8](repeating: 0, count: publicPart.orderedCount * NodeLayout.sealedChildByteCount)
    defer { wipe(&message) }
    let children = try node.withUnsafeBufferPointer { (bytes) throws(PosternError) -> [ObjectReference] in
      try message.withUnsafeMutableBufferPointer { (message) throws(PosternError) -> [ObjectReference] in
        let message = UnsafeMutableRawBufferPointer(message)
        try opener.open(
          UnsafeRawBufferPointer(bytes), key: reference.key, publicByteCount: publicPart.byteCount, into: message)
        return try readChildren(UnsafeRawBufferPointer(message), of: publicPart)
      }
    }
    guard children.reduce(0, { $0 + $1.plainByteCount }) == reference.plainByteCount else { throw .plainLength }
    return (publicPart.level, children)
  }

  private func readChildren(
    _ message: UnsafeRawBufferPointer, of publicPart: NodePublicPart
  ) throws(PosternError) -> [ObjectReference] {
    let limit = publicPart.level == 1 ? chunker.chunkByteCount : DumpLimits.stateByteCount
    var children: [ObjectReference] = []
    children.reserveCapacity(publicPart.orderedCount)
    var isNamed = [Bool](repeating: false, count: publicPart.children.count)
    for place in 0..<publicPart.orderedCount {
      let start = place * NodeLayout.sealedChildByteCount
      let index = Int(UInt16(bigEndian: message.loadUnaligned(fromByteOffset: start, as: UInt16.self)))
      let key = ObjectKey(UnsafeRawBufferPointer(rebasing: message[(start + 2)..<(start + 34)]).bytes)
      let plain = UInt64(bigEndian: message.loadUnaligned(fromByteOffset: start + 34, as: UInt64.self))
      guard index < publicPart.children.count else { throw .malformedNode }
      guard plain > 0, plain <= UInt64(limit) else { throw .childLength(place) }
      isNamed[index] = true
      let child = publicPart.children[index]
      children.append(
        ObjectReference(id: child.id, key: key, sealedByteCount: child.sealedByteCount, plainByteCount: Int(plain)))
    }
    guard !isNamed.contains(false) else { throw .malformedNode }
    return children
  }
}
