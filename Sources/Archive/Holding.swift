import Bulk
package import Core
import Dump
import Packs

/// What an archive has of an object that a tree names.
package struct HeldObject: Sendable {
  /// What it is.
  package let kind: ObjectKind
  /// How many bytes it has.
  package let byteCount: Int
  /// Where it lies when this push brought it: then nobody has looked below it yet; nil for what was admitted before.
  package let newPlace: ObjectPlace?
  /// The level of a node that was admitted before; nil for others, which say so when they are walked.
  package let level: Int?

  /// An object that is here.
  package init(kind: ObjectKind, byteCount: Int, newPlace: ObjectPlace?, level: Int? = nil) {
    self.kind = kind
    self.byteCount = byteCount
    self.newPlace = newPlace
    self.level = level
  }
}

/// A node that a push brought, and which has to be looked below.
package struct NewNode: Sendable {
  /// The node's id.
  package let id: Digest
  /// How many bytes it has.
  package let byteCount: Int
  /// Where it lies.
  package let place: ObjectPlace

  /// The most ids that it names.
  package var childCountLimit: Int { NodePublicPart.childCountLimit(nodeByteCount: byteCount) }
}

/// Says that a dump is complete: every object that its tree names is here, in the right kind, length and level.
///
/// Only nodes that are new are walked. A node that was admitted before is complete, and so is all below it, so
/// that an epoch costs what it changed; of it only the level is looked at. The walk goes down before it goes on, in
/// groups of nodes of one level, so that few nodes wait whatever the tree's size. What a group names is one question,
/// as large as questions may be: the lines that answer it stand close together in a pack's footer, and are read
/// together. A group has at most 3 MB of nodes' bytes, and what is found of their children takes some 5 MB.
///
/// - Parameters:
///   - root: the root node's id.
///   - rootByteCount: the root node's sealed length.
///   - locate: what is here of each of at most ``Core/ProtocolLimits/missingIdCount`` ids.
///   - read: the bytes of new nodes, in their order: so many that together they name at most as many ids.
///   - isSound: whether an object that was admitted before is still what its id says; asked where it is not what a new
///     node says, so that the archive's own damage is not told as the uploader's fault.
/// - Returns: the new objects that the tree reaches.
/// - Throws: `push.incomplete` with the first missing object, `push.tree` when a kind, length or level is not what
///   a node says, `dump.*` for a node that is none; `push.rotten` for a node or an older object whose bytes are
///   not those of its id any more.
package func verifyHolding(
  root: Digest, rootByteCount: Int,
  locate: ([Digest]) throws(PosternError) -> [HeldObject?],
  read: ([NewNode]) throws(PosternError) -> [[UInt8]],
  isSound: (Digest) throws(PosternError) -> Bool
) throws(PosternError) -> ReachedObjects {
  var reached = ReachedObjects()
  func readSound(_ nodes: [NewNode]) throws(PosternError) -> [[UInt8]] {
    let all = try read(nodes)
    guard all.count == nodes.count else { throw .incomplete(nodes[0].id) }
    // Hashed when it came, and read from the disk since: what is said to be complete here is said once and for all.
    for (node, bytes) in zip(nodes, all) where SHA256.hash(bytes) != node.id { throw .rottenNode(node.id) }
    return all
  }
  let top = NamedObject(id: root, byteCount: rootByteCount)
  guard let held = try locate([root]).first ?? nil else { throw .incomplete(root) }
  try require(held, as: top, level: nil, isSound)
  guard let place = held.newPlace else { return reached }
  // The root says its own level.
  let node = NewNode(id: root, byteCount: rootByteCount, place: place)
  let part = try NodePublicPart(parsing: try readSound([node])[0])
  _ = reached.insert(place, level: part.level)
  let children = try reach(part.children.map(NamedObject.init), level: part.level - 1, &reached, locate, isSound)
  var waiting = LevelStack<NewNode>()
  waiting.add(children, level: part.level - 1)
  while let (level, nodes) = waiting.next(ProtocolLimits.missingIdCount, cost: \.childCountLimit) {
    var below: [NamedObject] = []
    for (node, bytes) in zip(nodes, try readSound(nodes)) {
      let part = try NodePublicPart(parsing: bytes)
      guard part.level == level else { throw .wrongTree(node.id) }
      below += part.children.map(NamedObject.init)
    }
    waiting.add(try reach(below, level: level - 1, &reached, locate, isSound), level: level - 1)
  }
  return reached
}

/// An object as a record or a node names it.
private struct NamedObject {
  let id: Digest
  let byteCount: Int

  init(id: Digest, byteCount: Int) {
    self.id = id
    self.byteCount = byteCount
  }

  init(_ child: NodePublicPart.Child) {
    self.init(id: child.id, byteCount: child.sealedByteCount)
  }
}

/// Reaches a group's children; all must be here.
///
/// - Parameter level: the level that the children have to stand at; 0 for chunks.
/// - Returns: the nodes among them that this push brought and nothing has named before.
private func reach(
  _ children: [NamedObject], level: Int, _ reached: inout ReachedObjects,
  _ locate: ([Digest]) throws(PosternError) -> [HeldObject?], _ isSound: (Digest) throws(PosternError) -> Bool
) throws(PosternError) -> [NewNode] {
  var new: [NewNode] = []
  for (child, held) in zip(children, try locate(children.map(\.id))) {
    guard let held else { throw .incomplete(child.id) }
    try require(held, as: child, level: level, isSound)
    guard let place = held.newPlace else { continue }
    guard let isFresh = reached.insert(place, level: level) else { throw .wrongTree(child.id) }
    if isFresh, level > 0 { new.append(NewNode(id: child.id, byteCount: child.byteCount, place: place)) }
  }
  return new
}

/// Makes sure that an object is what its record or its parent says of it.
///
/// - Parameter level: the level that it has to stand at; nil for the root, which says it itself.
private func require(
  _ held: HeldObject, as named: NamedObject, level: Int?, _ isSound: (Digest) throws(PosternError) -> Bool
) throws(PosternError) {
  // A new node says its level when it is walked.
  let isAtLevel = level == nil || level == 0 || held.newPlace != nil || held.level == level
  let kind: ObjectKind = level == 0 ? .chunk : .node
  guard held.kind != kind || held.byteCount != named.byteCount || !isAtLevel else { return }
  if held.newPlace == nil, try !isSound(named.id) { throw .rottenObject(named.id) }
  throw .wrongTree(named.id)
}

extension PosternError {
  fileprivate static func incomplete(_ id: Digest) -> PosternError {
    PosternError(
      .pushIncomplete, "The dump's tree names the object \(id), which the archive lacks.",
      advice: "Ask again which objects are missing, send them, and seal the push again.")
  }

  /// A node of a push that the archive's disk has changed since it came.
  fileprivate static func rottenNode(_ id: Digest) -> PosternError {
    PosternError(
      .pushRotten, "The archive's disk has changed the node \(id) since the push brought it; the push is given up.",
      advice: "Run the push again: all of it is sent anew. The archive's operator should look at the disk.")
  }

  /// An object of an earlier epoch that the archive's disk has changed.
  static func rottenObject(_ id: Digest) -> PosternError {
    PosternError(
      .pushRotten, "The archive's copy of the object \(id), which this epoch shares with older ones, has rotted.",
      advice: "Push again with “--next-generation”, which shares nothing; the operator should look at the disk.")
  }

  fileprivate static func wrongTree(_ id: Digest) -> PosternError {
    PosternError(
      .pushTree, "The object \(id) is of another kind, length or level than the dump's tree says.",
      advice: "Build the dump again with a client of the same version as the archive.")
  }
}
