import Bulk
import Core

/// A node as it is stored, and what its parent will say of it.
public struct SealedNode: Sendable {
  /// What its parent, or the capsule, says of it.
  public let reference: ObjectReference
  /// How far above the chunks it stands, from 1.
  public let level: Int
  /// Its stored bytes, at most ``DumpLimits/nodeByteCount``.
  public let bytes: [UInt8]
}

/// Seals nodes of one generation.
package struct NodeSealer: ~Copyable, Sendable {
  private var sealer: ObjectSealer

  package init(secret: borrowing GenerationSecret) {
    sealer = ObjectSealer(secret: secret, purpose: .node)
  }

  /// Seals a node of children that stand in the state's order, at most ``DumpLimits/nodeChildCount``.
  package mutating func seal(_ children: [ObjectReference], level: Int) -> SealedNode {
    let (distinct, indexes) = NodeSealer.sort(children)
    let publicByteCount = NodeLayout.publicByteCount(distinct.count)
    var bytes: [UInt8] = [NodeLayout.format, UInt8(level)]
    bytes.reserveCapacity(NodeLayout.byteCount(publicCount: distinct.count, childCount: children.count))
    bytes.append(bigEndian: UInt16(distinct.count))
    for child in distinct {
      bytes.append(child.id)
      bytes.append(bigEndian: UInt32(child.sealedByteCount))
    }
    for (child, index) in zip(children, indexes) {
      bytes.append(bigEndian: UInt16(index))
      child.key.withUnsafeBytes { bytes.append(contentsOf: $0) }
      bytes.append(bigEndian: UInt64(child.plainByteCount))
    }
    bytes.append(contentsOf: repeatElement(0, count: AES256GCM.tagByteCount))
    let (id, key) = bytes.withUnsafeMutableBytes { sealer.seal($0, publicByteCount: publicByteCount) }
    let plainByteCount = children.reduce(0) { $0 + $1.plainByteCount }
    let reference = ObjectReference(
      id: id, key: key, sealedByteCount: bytes.count, plainByteCount: plainByteCount)
    return SealedNode(reference: reference, level: level, bytes: bytes)
  }

  /// The children by id, each once, and the place of every child among them.
  private static func sort(
    _ children: [ObjectReference]
  ) -> (distinct: [ObjectReference], indexes: [Int]) {
    var distinct: [ObjectReference] = []
    var indexes = [Int](repeating: 0, count: children.count)
    for place in children.indices.sorted(by: { children[$0].id < children[$1].id }) {
      if distinct.last?.id != children[place].id { distinct.append(children[place]) }
      indexes[place] = distinct.count - 1
    }
    return (distinct, indexes)
  }
}
