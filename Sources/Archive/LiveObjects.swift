import Bulk
import Core
import Dump
import Index
import Packs
import Records

/// What the epochs of one generation need: everything below the roots of those that are retained, their capsules, and
/// the bodies that `check` reads of them all.
///
/// Places and no ids, some three bytes an object. A mark that does not find all of it throws: then nothing is dead.
struct LiveObjects {
  private let objects: ObjectFinder
  private let space: Space
  /// The newest epoch that is not retained.
  private let expiredEpoch: UInt64
  private let gate: CollectionGate
  private var reached = ReachedObjects()
  /// Bodies that the generation has as chunks or nodes alone, of which no tree reaches them; they are not live as such.
  ///
  /// A seal refuses them; versions that let them in are older than the rule.
  private(set) var disguisedBodies: Set<Digest> = []

  /// Lines of a footer that are looked at at once.
  private static let lineCount = 4_096
  /// Epochs that are looked at at once, with three bodies each.
  private static let epochCount = 512

  /// Marks a generation.
  ///
  /// - Parameters:
  ///   - use: the generation's epochs.
  ///   - space: application and generation.
  ///   - expiredEpoch: the newest epoch that is not retained.
  ///   - objects: where all of it lies.
  ///   - gate: says when to give up.
  /// - Throws: `archive.not-found`, `pack.*`, `storage.*`, `dump.*`, `record.*`, `index.*` when it is not whole;
  ///   ``PosternError/givenUp``.
  init(
    marking use: GenerationUse, in space: Space, expiredEpoch: UInt64, _ objects: ObjectFinder, _ gate: CollectionGate
  ) throws(PosternError) {
    self.objects = objects
    self.space = space
    self.expiredEpoch = expiredEpoch
    self.gate = gate
    // Trees before bodies: of nodes it has to be known that they were walked.
    if use.lastEpoch > expiredEpoch {
      try forEachPage(max(use.firstEpoch, expiredEpoch + 1)...use.lastEpoch) { (live, epochs) throws(PosternError) in
        for epoch in epochs { try live.walk(from: epoch.root) }
      }
    }
    try forEachPage(use.firstEpoch...use.lastEpoch) { (live, epochs) throws(PosternError) in
      var bodies: Set<Digest> = []
      for epoch in epochs {
        bodies.formUnion([epoch.envelope, epoch.veil])
        if epoch.number > expiredEpoch { bodies.insert(epoch.capsule) }
      }
      for body in try live.locate(Array(bodies), preferring: .body) { live.reach(body: body) }
    }
  }

  private mutating func forEachPage(
    _ numbers: ClosedRange<UInt64>,
    _ body: (inout LiveObjects, [EpochFields]) throws(PosternError) -> Void
  ) throws(PosternError) {
    var before = numbers.upperBound &+ 1
    while before > numbers.lowerBound {
      try requireInTime()
      let app = space.app
      let epochs = try objects.index.read { (snapshot) throws(PosternError) in
        var epochs: [EpochFields] = []
        for row in try snapshot.epochs(app: app, before: before, limit: LiveObjects.epochCount) {
          epochs.append(try snapshot.epochFields(row.index))
        }
        return epochs
      }
      guard let last = epochs.last else { throw .damagedIndex("it lacks an epoch of a generation") }
      try body(&self, epochs.filter { numbers.contains($0.number) })
      before = last.number
    }
  }

  private func requireInTime() throws(PosternError) {
    if gate.isGivenUp { throw .givenUp }
  }

  private func locate(_ ids: [Digest], preferring kind: ObjectKind? = nil) throws(PosternError) -> [ObjectLocation] {
    let found = try objects.locate(ids, in: space, preferring: kind)
    // Where a pack cannot be read, nobody can say what only it holds.
    if let unreadable = found.unreadable { throw unreadable }
    var locations: [ObjectLocation] = []
    for (id, location) in zip(ids, found.objects) {
      guard let location else { throw .lacking(id) }
      locations.append(location)
    }
    return locations
  }

  // MARK: Trees

  /// Reaches everything below a root that was not reached before, down before on, so that few nodes wait.
  private mutating func walk(from root: Digest) throws(PosternError) {
    let location = try locate([root])[0]
    let part = try read(location)
    guard reached.insert(location.place, level: part.level) == true else { return }
    var waiting = LevelStack<ObjectLocation>()
    waiting.add(try reach(part.children, level: part.level - 1), level: part.level - 1)
    while let (level, nodes) = waiting.next(ProtocolLimits.missingIdCount, cost: \.childCountLimit) {
      var below: [NodePublicPart.Child] = []
      // Of a pack that nobody has read lately nothing is in memory: all are announced before the first is waited for.
      for node in nodes {
        try pack(of: node).file.prefetch(offset: node.entry.offset, length: Int(node.entry.length))
      }
      for node in nodes {
        try requireInTime()
        below += try read(node).children
      }
      waiting.add(try reach(below, level: level - 1), level: level - 1)
    }
  }

  /// Reaches children, and says which of them have to be looked below.
  private mutating func reach(
    _ children: [NodePublicPart.Child], level: Int
  ) throws(PosternError) -> [ObjectLocation] {
    guard !children.isEmpty else { return [] }
    var new: [ObjectLocation] = []
    for location in try locate(children.map(\.id)) {
      let isFresh = reached.insert(location.place, level: level)
      guard let isFresh else { throw .damagedNode(location.entry.id) }
      if isFresh, level > 0 { new.append(location) }
    }
    return new
  }

  /// A node, checked against its id: what it no longer names would be lost.
  private func read(_ location: ObjectLocation) throws(PosternError) -> NodePublicPart {
    let bytes = try pack(of: location).file.read(offset: location.entry.offset, length: Int(location.entry.length))
    guard SHA256.hash(bytes) == location.entry.id else { throw .damagedNode(location.entry.id) }
    return try NodePublicPart(parsing: bytes)
  }

  private func pack(of location: ObjectLocation) throws(PosternError) -> OpenedPack {
    try objects.files.sealedPack(location.pack, of: space)
  }

  // MARK: The rest

  /// Reaches what a record names.
  ///
  /// A node is live if a tree reaches it, and then all below it is. As a body it would be found without.
  private mutating func reach(body: ObjectLocation) {
    if body.entry.kind == .body {
      _ = reached.insert(body.place, level: 0)
    } else if !reached.contains(body.place) {
      disguisedBodies.insert(body.entry.id)
    }
  }

  /// Takes in a pack of bodies that was written since.
  mutating func keep(_ bodies: FinishedPack, number: UInt64) {
    for entry in bodies.entries { _ = reached.insert(ObjectPlace(pack: number, offset: entry.offset), level: 0) }
    disguisedBodies.subtract(bodies.entries.map(\.id))
  }

  /// What is dead in a sealed pack: a bit for each place in its footer.
  ///
  /// - Returns: nil where no more is dead than the index knows.
  /// - Throws: `pack.*`, `storage.*`; ``PosternError/givenUp``.
  func dead(in pack: PackRow) throws(PosternError) -> DeadMarks.Pack? {
    let file = try objects.files.pack(pack.number, pack.name, of: space)
    let count = file.file.count
    var marks = DeadMarks.Pack(number: pack.number, positions: Bitmap(count: count), byteCount: 0)
    for start in stride(from: 0, to: count, by: LiveObjects.lineCount) {
      try requireInTime()
      let positions = Array(start..<min(count, start + LiveObjects.lineCount))
      try file.file.forEachEntry(at: positions) { (index, entry) in
        guard !reached.contains(ObjectPlace(pack: pack.number, offset: entry.offset)) else { return }
        marks.positions[positions[index]] = true
        marks.byteCount += UInt64(Int(entry.length) + PackFormat.entryByteCount)
      }
    }
    return marks.byteCount == pack.deadByteCount ? nil : marks
  }
}

extension ObjectLocation {
  fileprivate var place: ObjectPlace { ObjectPlace(pack: pack, offset: entry.offset) }

  /// The most ids that it names as a node.
  fileprivate var childCountLimit: Int { NodePublicPart.childCountLimit(nodeByteCount: Int(entry.length)) }
}

extension PosternError {
  /// A mark that gave up, because a push began or the archive ends.
  ///
  /// It is told to nobody.
  static let givenUp = PosternError(
    .archiveStopped, "The collection was given up.", advice: "It is done later; nothing was changed.")

  fileprivate static func damagedNode(_ id: Digest) -> PosternError {
    PosternError(
      .packObjectDamaged, "The node \(id) has rotted, or stands at two levels.",
      advice: "Restore its pack from an archive or a copy that holds it, then start the archive again: until then its "
        + "generation is not collected.")
  }
}
