public import Core

/// Walks a dump's tree in the state's order without doing any reading itself.
///
/// It says which nodes it wants, takes their bytes in any order, and gives out the chunks one after the other
/// with their places in the state. All chunks lie equally deep, so a walk is one queue a level: a node at the
/// front of its level's queue is replaced by its children at the back of the queue below. A node is asked for
/// only when the queue below has room for as many children as a node can have; so what a walk holds is
/// bounded by its look-ahead, less a level further up, whatever the dump's size and shape.
public struct TreeWalk: ~Copyable, Sendable {
  /// A node to fetch.
  public struct NodeRequest: Hashable, Sendable {
    /// Its id.
    public let id: Digest
    /// How many bytes to expect.
    public let sealedByteCount: Int
  }

  /// A chunk and its place in the state.
  public struct PlacedChunk: Sendable {
    /// What it takes to fetch and open it.
    public let reference: ObjectReference
    /// Where in the state its bytes begin.
    public let plainOffset: Int

    /// A chunk that begins at this byte of the state.
    package init(reference: ObjectReference, plainOffset: Int) {
      self.reference = reference
      self.plainOffset = plainOffset
    }

    /// Which bytes of the state it holds.
    public var plainRange: Range<Int> { plainOffset..<plainOffset + reference.plainByteCount }
  }

  /// The smallest look-ahead: a single node's children.
  public static let lookAheadMinimum = DumpLimits.nodeChildCount

  /// What a level's look-ahead does not fall below, so that a question is for several nodes in a tree of any shape.
  package static let upperLookAheadCount = 1_024

  private let lookAheadCount: Int
  private var opener: NodeOpener
  /// Until it comes, nobody knows how many levels there are.
  private var root: WalkQueue
  private var isRootOpen = false
  /// Chunks first, then the nodes of level 1 and up, the root apart.
  private var queues: [WalkQueue] = []
  private var plainOffset = 0

  /// A walk over a dump.
  ///
  /// - Parameters:
  ///   - root: the root, from the epoch's record and its capsule.
  ///   - chunker: how the state was cut, from the capsule.
  ///   - lookAheadCount: how many chunks may be held ahead of what was given out, at least ``lookAheadMinimum``; of
  ///     nodes a quarter for each level further up, down to 1,024. 96 bytes each.
  public init(root: ObjectReference, chunker: ChunkerParameters, lookAheadCount: Int = 4_096) {
    precondition(lookAheadCount >= TreeWalk.lookAheadMinimum)
    self.lookAheadCount = lookAheadCount
    opener = NodeOpener(chunker: chunker)
    self.root = WalkQueue()
    self.root.append([root])
  }

  /// Whether every chunk has been given out.
  public var isFinished: Bool { isRootOpen && queues.allSatisfy { $0.isEmpty } }

  /// How many bytes of the state the chunks given out so far hold.
  public var plainByteCount: Int { plainOffset }

  /// How many references are held, those of nodes that came early included.
  package var heldCount: Int { queues.reduce(root.heldCount) { $0 + $1.heldCount } }

  /// Nodes to fetch now, none of which was asked for and not supplied yet; those nearest to the chunks first.
  ///
  /// - Parameter limit: the most to give out.
  public mutating func nextRequests(limit: Int) -> [NodeRequest] {
    var requests: [NodeRequest] = []
    guard isRootOpen else {
      root.request(room: DumpLimits.nodeChildCount, limit: limit, into: &requests)
      return requests
    }
    for level in queues.indices.dropFirst() {
      let room = lookAhead(level - 1) - queues[level - 1].count
      queues[level].request(room: room, limit: limit, into: &requests)
    }
    return requests
  }

  /// How many references a level may hold: a node names sixteen others on average, so that fewer do further up.
  private func lookAhead(_ level: Int) -> Int {
    max(lookAheadCount >> (2 * level), min(lookAheadCount, TreeWalk.upperLookAheadCount))
  }

  /// Takes a node that was asked for.
  ///
  /// - Parameters:
  ///   - node: its stored bytes.
  ///   - id: the id under which it was asked for.
  /// - Throws: `dump.unasked-node`, or what ``NodeOpener/open(_:_:level:)`` throws; the walk is as it was, and
  ///   waits for the node still.
  public mutating func supply(_ node: ArraySlice<UInt8>, id: Digest) throws(PosternError) {
    guard isRootOpen else { return try supplyRoot(node, id: id) }
    var isKnown = false
    for level in queues.indices.dropFirst() {
      for place in queues[level].places(of: id) {
        isKnown = true
        let children = try opener.open(node, queues[level].reference(at: place), level: level).children
        queues[level].open(place, children)
      }
      while let children = queues[level].popOpened() { queues[level - 1].append(children) }
    }
    guard isKnown else { throw .unaskedNode }
  }

  /// Takes a node that was asked for, from a whole array.
  ///
  /// - Throws: as ``supply(_:id:)-(ArraySlice<UInt8>,_)``.
  public mutating func supply(_ node: [UInt8], id: Digest) throws(PosternError) {
    try supply(node[...], id: id)
  }

  /// The state's next chunks, as far as the nodes that came tell.
  ///
  /// - Parameters:
  ///   - limit: the most to give out.
  ///   - plainByteCount: the most bytes of state that they hold together, at least a longest chunk's.
  /// - Returns: chunks in the state's order, each once; none while a node is missing, or at the end.
  public mutating func nextChunks(limit: Int, plainByteCount: Int = .max) -> [PlacedChunk] {
    precondition(plainByteCount >= DumpLimits.chunkByteCount)
    guard isRootOpen else { return [] }
    let references = queues[0].takeFirst(limit, plainByteCount: plainByteCount)
    return references.map { reference in
      defer { plainOffset += reference.plainByteCount }
      return PlacedChunk(reference: reference, plainOffset: plainOffset)
    }
  }

  private mutating func supplyRoot(_ node: ArraySlice<UInt8>, id: Digest) throws(PosternError) {
    guard let place = root.places(of: id).first else { throw .unaskedNode }
    let (level, children) = try opener.open(node, root.reference(at: place), level: nil)
    queues = (0..<level).map { _ in WalkQueue() }
    queues[level - 1].append(children)
    root = WalkQueue()
    isRootOpen = true
  }
}
