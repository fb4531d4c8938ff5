import Bulk
import Core
import Dump
import Index
import Packs

// What the archive has of objects, as the push sees it.
extension PushPacks {
  /// Which of these objects neither the archive nor this push has: a bit each, as `MissingResponse` has them.
  ///
  /// What lies in a pack that cannot be read is missing too: it can be sent again.
  func missing(_ ids: [Digest]) throws(PosternError) -> [UInt8] {
    let found = try objects.locate(ids, in: space, own: own).objects
    var lacking = Bitmap(count: ids.count)
    for (position, id) in ids.enumerated() where found[position] == nil && entry(id) == nil {
      lacking[position] = true
    }
    return lacking.bytes
  }

  /// Says that a dump is complete, and which of the push's objects it reaches.
  ///
  /// - Parameter bodies: what the record names beside the tree.
  /// - Throws: as `verifyHolding`; `push.body` when the tree names a body; `storage.*`, `pack.*`, `index.*`.
  func verify(
    root: Digest, rootByteCount: Int, besides bodies: Set<Digest>
  ) throws(PosternError) -> ReachedObjects {
    try verifyHolding(
      root: root, rootByteCount: rootByteCount,
      locate: { (ids) throws(PosternError) in
        if let body = ids.first(where: bodies.contains) { throw .takenBody(body) }
        return try locate(ids)
      },
      read: { (nodes) throws(PosternError) in try read(nodes) },
      isSound: { (id) throws(PosternError) in try isSound(id) })
  }

  /// What is here of each of these objects.
  ///
  /// The pack that is being written is asked first; but of what kind an object is, a sealed pack says, so that none is
  /// admitted as two.
  func locate(_ ids: [Digest]) throws(PosternError) -> [HeldObject?] {
    do throws(PosternError) {
      return try lookUp(ids)
    } catch let error where error.code == .storageMissing {
      // A pack was written anew meanwhile: its objects lie elsewhere.
      return try lookUp(ids)
    }
  }

  private func lookUp(_ ids: [Digest]) throws(PosternError) -> [HeldObject?] {
    let found = try objects.locate(ids, in: space, own: own)
    var held: [HeldObject?] = []
    for (id, location) in zip(ids, found.objects) {
      let sealedKind = location.flatMap { $0.isNew ? nil : $0.entry.kind }
      if let entry = entry(id), sealedKind == nil || sealedKind == entry.kind {
        held.append(HeldObject(entry, newIn: writerNumber))
      } else if let location {
        held.append(try self.held(location, name: found.names[location.pack]))
      } else {
        held.append(nil)
      }
    }
    return held
  }

  private func held(_ location: ObjectLocation, name: Digest?) throws(PosternError) -> HeldObject {
    let entry = location.entry
    guard !location.isNew else { return HeldObject(entry, newIn: location.pack) }
    var level: Int?
    if entry.kind == .node {
      let prefix = try objects.files.pack(location.pack, name, of: space).file.read(
        offset: entry.offset, length: min(NodePublicPart.levelPrefixByteCount, Int(entry.length)))
      level = NodePublicPart.level(inPrefix: prefix)
    }
    return HeldObject(kind: entry.kind, byteCount: Int(entry.length), newPlace: nil, level: level)
  }

  /// Whether what is said of an object of a sealed pack is what was admitted: its bytes are those of its id, and its
  /// line stands in the footer that the pack is named for.
  ///
  /// - Throws: `archive.not-found` for one that was collected meanwhile; `storage.failed`, `index.*`.
  func isSound(_ id: Digest) throws(PosternError) -> Bool {
    let found = try objects.locate([id], in: space, own: own)
    guard let location = found.objects[0], let name = found.names[location.pack] else { throw .lacking(id) }
    let pack = try objects.files.pack(location.pack, name, of: space)
    do throws(PosternError) {
      try pack.file.verifyFooter(named: name)
      return SHA256.hash(try pack.file.read(offset: location.entry.offset, length: Int(location.entry.length))) == id
    } catch let error where error.isOfUnreadablePack {
      return false
    }
  }

  /// Reads nodes, pack by pack, so that one is held open at a time, in however many they lie.
  ///
  /// All of a pack's are announced before the first is waited for: packs are written past the page cache.
  private func read(_ nodes: [NewNode]) throws(PosternError) -> [[UInt8]] {
    var all = [[UInt8]](repeating: [], count: nodes.count)
    for (number, places) in Dictionary(grouping: nodes.indices, by: { nodes[$0].place.pack }) {
      if number == writerNumber, writer != nil {
        let entries = places.compactMap { entry(nodes[$0].id) }
        guard entries.count == places.count else { throw .lacking(nodes[places[0]].id) }
        for entry in entries { writer?.prefetch(entry) }
        for (place, entry) in zip(places, entries) {
          guard let bytes = try read(entry) else { throw .lacking(entry.id) }
          all[place] = bytes
        }
      } else {
        let pack = try objects.files.pack(number, nil, of: space)
        for place in places { pack.file.prefetch(offset: nodes[place].place.offset, length: nodes[place].byteCount) }
        for place in places {
          all[place] = try pack.file.read(offset: nodes[place].place.offset, length: nodes[place].byteCount)
        }
      }
    }
    return all
  }
}

extension HeldObject {
  /// An object that the push brought itself.
  fileprivate init(_ entry: PackEntry, newIn pack: UInt64) {
    self.init(
      kind: entry.kind, byteCount: Int(entry.length), newPlace: ObjectPlace(pack: pack, offset: entry.offset))
  }
}
