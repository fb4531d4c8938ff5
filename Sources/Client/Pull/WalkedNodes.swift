import Core

/// Which nodes of one tree a walk has looked below, so that it looks below each once.
///
/// A tree may name a node in as many places as it likes, and so may that node's children their own: whoever looks twice
/// looks twice as often with each level. So nothing is forgotten here. A node takes 16 bytes, about 32 with the table's
/// room: for 1 TiB in chunks of 16 KiB, in nodes of 16 children, that is 140 MB, a fortieth of what the nodes
/// themselves have.
struct WalkedNodes: Sendable {
  /// A node at a level: eight bytes of its id, and eight that nobody can aim at, since the process draws the key.
  private struct Mark: Hashable {
    let prefix: UInt64
    let keyed: Int

    init(_ id: Digest, level: Int) {
      prefix = id.prefix
      var hasher = Hasher()
      hasher.combine(id)
      hasher.combine(level)
      keyed = hasher.finalize()
    }
  }

  private var marks: Set<Mark> = []

  /// Takes notice of a node.
  ///
  /// - Returns: whether it is new at this level.
  mutating func insert(_ id: Digest, level: Int) -> Bool { marks.insert(Mark(id, level: level)).inserted }
}
