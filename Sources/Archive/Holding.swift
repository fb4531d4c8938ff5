package import Core
import Dump
import Packs

/// What an archive has of an object that a tree names.
package struct HeldObject {
  /// 1 for a chunk, 2 for a node, 3 for a body.
  package let kind: UInt8
  /// How many bytes it has.
  package let byteCount: Int
  /// Whether this push brought it: then nobody has looked below it yet.
  package let isNew: Bool
  /// The level of a node that was admitted before; nil for others, which are asked or say so when they are walked.
  package let level: Int?

  /// An object that is here.
  package init(kind: UInt8, byteCount: Int, isNew: Bool, level: Int? = nil) {
    self.kind = kind
    self.byteCount = byteCount
    self.isNew = isNew
    self.level = level
  }
}

/// Says that a dump is complete: every object that its tree names is here, in the right kind, length and level.
///
/// Only nodes that are new are walked. A node that was admitted before is complete, and so is all below it, so
/// that an epoch costs what it changed; of it only the level is looked at. The walk goes level by level.
///
/// - Parameters:
///   - root: the root node's id.
///   - rootByteCount: the root node's sealed length.
///   - locate: what is here of each of at most ``ArchiveLimits/missingIds`` ids.
///   - read: the bytes of a new node.
/// - Returns: the new nodes that the tree reaches.
/// - Throws: `push.incomplete` with the first missing object, `push.tree` when a kind, length or level is not what
///   a node says, and `dump.*` for a node that is none.
package func verifyHolding(
  root: Digest, rootByteCount: Int,
  locate: ([Digest]) throws(PosternError) -> [HeldObject?],
  read: (Digest) throws(PosternError) -> [UInt8]
) throws(PosternError) -> Set<Digest> {
  let top = NamedObject(id: root, byteCount: rootByteCount)
  var newNodes = try newObjects(among: [top], below: nil, locate: locate)
  /// The level that all of `newNodes` have to stand at; the root says its own.
  var expectedLevel: Int?
  var reached: Set<Digest> = []
  while !newNodes.isEmpty {
    reached.formUnion(newNodes)
    var below: [NamedObject] = []
    var next: Set<Digest> = []
    var level = 0
    for node in newNodes {
      let part = try NodePublicPart(parsing: try read(node))
      guard expectedLevel == nil || expectedLevel == part.level else { throw .wrongTree(node) }
      level = part.level
      below += part.children.map { NamedObject(id: $0.id, byteCount: $0.sealedByteCount) }
      if below.count >= ArchiveLimits.missingIds / 2 {
        next.formUnion(try newObjects(among: below, below: level, locate: locate))
        below.removeAll(keepingCapacity: true)
      }
    }
    next.formUnion(try newObjects(among: below, below: level, locate: locate))
    newNodes = level == 1 ? [] : next
    expectedLevel = level - 1
  }
  return reached
}

/// An object as a record or a node names it.
private struct NamedObject {
  let id: Digest
  let byteCount: Int
}

/// Those of a node's children that this push brought; all must be here.
///
/// - Parameter level: the level that the children are named from; nil for the root, which may stand at any.
private func newObjects(
  among children: [NamedObject], below level: Int?, locate: ([Digest]) throws(PosternError) -> [HeldObject?]
) throws(PosternError) -> Set<Digest> {
  let kind: PackEntry.Kind = level == 1 ? .chunk : .node
  var new: Set<Digest> = []
  for (child, held) in zip(children, try locate(children.map(\.id))) {
    guard let held else {
      throw PosternError(
        .pushIncomplete, "The dump's tree names the object \(child.id), which the archive lacks.",
        advice: "Ask again which objects are missing, send them, and seal the push again.")
    }
    guard held.kind == kind.rawValue, held.byteCount == child.byteCount else { throw .wrongTree(child.id) }
    if let level, level > 1, !held.isNew, held.level != level - 1 { throw .wrongTree(child.id) }
    if held.isNew { new.insert(child.id) }
  }
  return new
}

extension PosternError {
  fileprivate static func wrongTree(_ id: Digest) -> PosternError {
    PosternError(
      .pushTree, "The object \(id) is of another kind, length or level than the dump's tree says.",
      advice: "Build the dump again with a client of the same version as the archive.")
  }
}
