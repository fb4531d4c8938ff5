import Core

/// One level of a walk: references in the state's order, of which a part at the front was asked for.
struct WalkQueue: Sendable {
  private enum Progress {
    case waiting
    case requested
    /// It came before one in front of it did.
    case opened([ObjectReference])
  }

  private struct Entry {
    let reference: ObjectReference
    var progress = Progress.waiting
  }

  private var entries: [Entry] = []
  /// Index of the first entry that is still here.
  private var head = 0
  /// Index of the first entry that was not asked for.
  private var firstWaiting = 0

  var count: Int { entries.count - head }
  var isEmpty: Bool { count == 0 }

  /// How many references are in memory, children of nodes that came early included.
  var heldCount: Int {
    entries[head...].reduce(0) { sum, entry in
      guard case .opened(let children) = entry.progress else { return sum + 1 }
      return sum + 1 + children.count
    }
  }

  func reference(at place: Int) -> ObjectReference { entries[place].reference }

  mutating func append(_ references: [ObjectReference]) {
    entries.append(contentsOf: references.map { Entry(reference: $0) })
  }

  /// Asks for nodes at the front while there is room for the children of all that were asked for.
  ///
  /// - Parameters:
  ///   - room: how many more references the queue below may hold.
  ///   - limit: the most requests in all.
  ///   - requests: where they go; a node that is on its way already is not asked for twice.
  mutating func request(room: Int, limit: Int, into requests: inout [TreeWalk.NodeRequest]) {
    while firstWaiting < entries.count, requests.count < limit,
      (firstWaiting - head + 1) * DumpLimits.nodeChildCount <= room
    {
      let reference = entries[firstWaiting].reference
      if places(of: reference.id).isEmpty {
        requests.append(.init(id: reference.id, sealedByteCount: reference.sealedByteCount))
      }
      entries[firstWaiting].progress = .requested
      firstWaiting += 1
    }
  }

  /// The entries that wait for a node with this id to come.
  func places(of id: Digest) -> [Int] {
    (head..<firstWaiting).filter { place in
      guard case .requested = entries[place].progress else { return false }
      return entries[place].reference.id == id
    }
  }

  mutating func open(_ place: Int, _ children: [ObjectReference]) {
    entries[place].progress = .opened(children)
  }

  /// The children of the node at the front, which leaves, if it has come.
  mutating func popOpened() -> [ObjectReference]? {
    guard head < firstWaiting, case .opened(let children) = entries[head].progress else { return nil }
    drop(1)
    return children
  }

  /// Takes references off the front that are asked for elsewhere, as many as hold so much state at the most.
  mutating func takeFirst(_ limit: Int, plainByteCount: Int) -> [ObjectReference] {
    var rest = plainByteCount
    var references: [ObjectReference] = []
    for entry in entries[head...].prefix(limit) {
      rest -= entry.reference.plainByteCount
      if rest < 0 { break }
      references.append(entry.reference)
    }
    drop(references.count)
    return references
  }

  /// Drops entries off the front, and moves the rest down when half of the memory is behind it.
  private mutating func drop(_ dropCount: Int) {
    for place in head..<head + dropCount { entries[place].progress = .waiting }
    head += dropCount
    firstWaiting = max(firstWaiting, head)
    guard head * 2 >= entries.count else { return }
    entries.removeFirst(head)
    firstWaiting -= head
    head = 0
  }
}
