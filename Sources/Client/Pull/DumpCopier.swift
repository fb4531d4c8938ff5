import Bulk
package import Core
import Dump
package import Packs
package import Trust

/// Copies the chunks and nodes of a dump that a folder lacks, with memory that grows with the dump by 32 bytes a node.
///
/// The tree is walked by what nodes say without a key, below each node once. It goes down before it goes on, so that
/// few nodes wait; some tasks fetch, hash and hand over, and this value alone decides what comes next and writes.
package struct DumpCopier<Origin: Source>: ~Copyable {
  /// Bytes of chunks of one question.
  private static var partByteCount: Int { 2 << 20 }
  /// Chunks of one question.
  private static var partChunkLimit: Int { 1_024 }
  /// Questions for chunks under way.
  private static var partLimit: Int { 8 }
  /// Nodes of one question.
  private static var nodeLimit: Int { 256 }
  /// Chunks that wait before further nodes are looked at.
  private static var waitingLimit: Int { 8_192 }

  /// An object as the tree names it.
  struct Named: Sendable {
    let id: Digest
    let byteCount: Int
  }

  /// What a task came back with; every object was hashed.
  private enum Event: Sendable {
    case nodes(level: Int?, Gathered)
    case chunks(Gathered)
  }

  private let app: Digest
  private let generation: UInt64
  private let source: Origin
  private let folder: FolderSource
  private let checksHeld: Bool
  private let meter: PullMeter

  private var writer: CopyWriter
  private var recentChunks = RecentIds()
  private var walked = WalkedNodes()
  private var root: Named?
  /// Nodes to look at; one that is named twice may wait here twice.
  private var nodes = LevelStack<Named>()
  private var chunks: [Named] = []
  private var isFetchingNodes = false
  private var partCount = 0
  /// Objects of the folder whose bytes are not those of their ids.
  private(set) var damaged: [Digest] = []

  /// A copier of one dump.
  ///
  /// - Parameters:
  ///   - root: the root node's id.
  ///   - rootByteCount: the root node's sealed length, by the epoch's record.
  ///   - app: the application.
  ///   - generation: the generation whose packs hold the dump.
  ///   - source: where objects come from.
  ///   - folder: what is there already.
  ///   - writer: where objects go.
  ///   - checksHeld: whether chunks that are there are read and hashed.
  ///   - meter: what counts them.
  package init(
    root: Digest, rootByteCount: Int, app: Digest, generation: UInt64, from source: Origin, to folder: FolderSource,
    through writer: consuming CopyWriter, checksHeld: Bool, meter: PullMeter
  ) {
    self.root = Named(id: root, byteCount: rootByteCount)
    self.app = app
    self.generation = generation
    self.source = source
    self.folder = folder
    self.checksHeld = checksHeld
    self.meter = meter
    self.writer = writer
  }

  /// Copies everything.
  ///
  /// - Throws: `source.*`, `dump.*`, `storage.*`, `pack.*`, `wire.*`; what was fetched before can be kept by
  ///   ``keep()``.
  package mutating func run() async throws {
    try await withThrowingTaskGroup(of: Event.self) { tasks in
      while true {
        startNodes(&tasks)
        startChunks(&tasks)
        guard let event = try await tasks.next() else { break }
        try await handle(event)
      }
    }
  }

  /// Appends a body that the caller has checked.
  ///
  /// - Throws: `storage.*`.
  mutating func append(_ body: [UInt8], id: Digest) throws(PosternError) {
    try writer.append(body, id: id, kind: .body)
  }

  /// Places what was appended, for the next run if not for this one.
  ///
  /// - Throws: `storage.*`.
  package mutating func keep() async throws {
    try writer.finish()
    try await noticePlaced()
  }

  private mutating func startNodes(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    guard !isFetchingNodes, chunks.count < Self.waitingLimit, let (level, group) = nextNodes() else { return }
    isFetchingNodes = true
    let gatherer = gatherer
    tasks.addTask { .nodes(level: level, try await gatherer.gather(group, readingHeld: true)) }
  }

  /// The next nodes to look at, lowest first; the root's level is not known.
  private mutating func nextNodes() -> (level: Int?, [Named])? {
    if let root = root.take() { return (nil, [root]) }
    while let (level, group) = nodes.next(Self.nodeLimit) {
      let fresh = group.filter { walked.insert($0.id, level: level) }
      if !fresh.isEmpty { return (level, fresh) }
    }
    return nil
  }

  private mutating func startChunks(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    while partCount < Self.partLimit {
      let part = nextPart()
      guard !part.isEmpty else { return }
      partCount += 1
      let (gatherer, checksHeld) = (gatherer, checksHeld)
      tasks.addTask { .chunks(try await gatherer.gather(part, readingHeld: checksHeld)) }
    }
  }

  private mutating func nextPart() -> [Named] {
    var part: [Named] = []
    var byteCount = 0
    while byteCount < Self.partByteCount, part.count < Self.partChunkLimit, let chunk = chunks.popLast() {
      guard recentChunks.insert(chunk.id), !writer.holds(chunk.id) else { continue }
      part.append(chunk)
      byteCount += chunk.byteCount
    }
    return part
  }

  private var gatherer: Gatherer<Origin> {
    Gatherer(app: app, generation: generation, source: source, folder: folder)
  }

  private mutating func handle(_ event: Event) async throws {
    switch event {
    case .nodes(let level, let gathered):
      isFetchingNodes = false
      let waitingCount = chunks.count
      for node in gathered.held + gathered.fetched {
        let publicPart = try NodePublicPart(parsing: node.bytes)
        guard level == nil || publicPart.level == level else { throw PosternError.wrongLevel(node.id) }
        let children = publicPart.children.map { Named(id: $0.id, byteCount: $0.sealedByteCount) }
        if publicPart.level == 1 { chunks += children } else { nodes.add(children, level: publicPart.level - 1) }
      }
      // Asked for by rising id, the last one first: so what one push sent together lies side by side, here as there.
      if chunks.count > waitingCount { chunks.sort { $0.id > $1.id } }
      try await take(gathered, kind: .node)
    case .chunks(let gathered):
      partCount -= 1
      try await take(gathered, kind: .chunk)
    }
  }

  /// Writes what was fetched.
  private mutating func take(_ gathered: Gathered, kind: ObjectKind) async throws {
    for object in gathered.fetched {
      try writer.append(object.bytes, id: object.id, kind: kind)
    }
    try writer.noteList()
    try await noticePlaced()
    damaged += gathered.damaged
    meter.add(gathered)
  }

  private mutating func noticePlaced() async throws {
    for name in writer.takePlaced() {
      try await folder.notice(name, app: app, generation: generation, isPlaced: true)
    }
  }
}

/// Objects of one question, each hashed.
struct Gathered: Sendable {
  /// Those that came from the archive.
  var fetched: [GatheredObject] = []
  /// Those that were read in the folder; of the others that it has only the count is known.
  var held: [GatheredObject] = []
  var heldCount = 0
  var heldByteCount = 0
  /// Those that the folder has, and whose bytes are not those of their ids: they were fetched.
  var damaged: [Digest] = []
}

/// Gets objects from a folder as far as it has them, and from an archive otherwise.
struct Gatherer<Origin: Source>: Sendable {
  let app: Digest
  let generation: UInt64
  let source: Origin
  let folder: FolderSource

  /// Gets objects.
  ///
  /// - Parameters:
  ///   - named: the objects; one that a tree names in several places may stand here as often.
  ///   - readingHeld: whether those that the folder has are read, and hashed.
  /// - Throws: `source.absent`, `source.unasked`, `source.mismatch`, `dump.object-length`; what source and folder
  ///   throw.
  func gather(_ named: [DumpCopier<Origin>.Named], readingHeld: Bool) async throws -> Gathered {
    var gathered = Gathered()
    let lengths = Dictionary(named.map { ($0.id, $0.byteCount) }) { first, _ in first }
    var seen: Set<Digest> = []
    let ids = named.map(\.id).filter { seen.insert($0).inserted }
    let absent = Set(try await folder.absent(ids, app: app, generation: generation))
    var wanted = ids.filter { absent.contains($0) }
    let there = ids.filter { !absent.contains($0) }
    if readingHeld, !there.isEmpty {
      gathered.held = try await folder.gather(query(there)) { $0.bytes.count == lengths[$0.id] && $0.isSound }
      let sound = Set(gathered.held.map(\.id))
      gathered.damaged = there.filter { !sound.contains($0) }
      wanted += gathered.damaged
    }
    gathered.heldCount = there.count - gathered.damaged.count
    gathered.heldByteCount = there.reduce(0) { $0 + (lengths[$1] ?? 0) }
    for id in gathered.damaged { gathered.heldByteCount -= lengths[id] ?? 0 }
    gathered.fetched = try await fetch(wanted, lengths)
    return gathered
  }

  /// Fetches objects, each of which has to be what was asked for.
  private func fetch(_ ids: [Digest], _ lengths: [Digest: Int]) async throws -> [GatheredObject] {
    guard !ids.isEmpty else { return [] }
    return try await source.gatherAll(query(ids)) { (object) throws(PosternError) in
      guard object.bytes.count == lengths[object.id], object.isSound else {
        throw PosternError.mismatchedObject(object.id)
      }
    }
  }

  private func query(_ ids: [Digest]) throws(PosternError) -> ObjectQuery {
    try ObjectQuery(app: app, generation: generation, ids: ids)
  }
}

extension SourceObject {
  /// Whether the bytes are those that the id names.
  fileprivate var isSound: Bool { bytes.withUnsafeBytes { SHA256.hash($0) } == id }
}

extension PosternError {
  fileprivate static func wrongLevel(_ id: Digest) -> PosternError {
    PosternError(
      .dumpNodeLevel, "The node \(id) stands at another level than its place in the tree says.",
      advice: "The uploader's software is at fault: pull another epoch, and report it.")
  }
}
