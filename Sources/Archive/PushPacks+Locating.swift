import Core
import Dump
import Index
import Packs

// What the archive has of objects, as the push sees it.
extension PushPacks {
  /// Which of these objects neither the archive nor this push has: a bit each, as `MissingResponse` has them.
  func missing(_ ids: [Digest]) throws(PosternError) -> [UInt8] {
    var bitmap = try index.read { (snapshot) throws(PosternError) in
      try snapshot.missing(ids, app: app, generation: generation, push: token)
    }
    for (position, id) in ids.enumerated() where entry(id) != nil {
      bitmap[position / 8] &= ~(1 << UInt8(position % 8))
    }
    return bitmap
  }

  /// Says that a dump is complete, and which of the push's objects it reaches.
  ///
  /// - Throws: as `verifyHolding`; `storage.*`, `pack.*`, `index.*`.
  func verify(root: Digest, rootByteCount: Int) throws(PosternError) -> ReachedObjects {
    let rows = try index.read { (snapshot) throws(PosternError) in try snapshot.packs(push: token) }
    var own = OpenedPacks(Dictionary(uniqueKeysWithValues: rows.map { ($0.number, $0) }), folder: folder)
    return try verifyHolding(
      root: root, rootByteCount: rootByteCount, locate: { (ids) throws(PosternError) in try locate(ids) },
      read: { (node) throws(PosternError) in try read(node, &own) })
  }

  /// What is here of each of these objects.
  func locate(_ ids: [Digest]) throws(PosternError) -> [HeldObject?] {
    let recorded = try index.read { (snapshot) throws(PosternError) in
      try snapshot.locate(ids, app: app, generation: generation, push: token)
    }
    var open = OpenedPacks(recorded.packs, folder: folder)
    var objects: [HeldObject?] = []
    for (id, location) in zip(ids, recorded.objects) {
      if let entry = entry(id) {
        objects.append(
          HeldObject(
            kind: entry.kind, byteCount: Int(entry.length),
            newPlace: ObjectPlace(pack: writerNumber, offset: entry.offset)))
      } else if let location {
        objects.append(try held(location, isNew: recorded.packs[location.pack]?.state == .open, &open))
      } else {
        objects.append(nil)
      }
    }
    return objects
  }

  private func held(
    _ location: ObjectLocation, isNew: Bool, _ open: inout OpenedPacks
  ) throws(PosternError) -> HeldObject {
    guard !isNew else {
      return HeldObject(
        kind: location.kind, byteCount: Int(location.length),
        newPlace: ObjectPlace(pack: location.pack, offset: location.offset))
    }
    var level: Int?
    if location.kind == .node {
      let prefix = try open.read(location, byteCount: NodePublicPart.levelPrefixByteCount)
      level = NodePublicPart.level(inPrefix: prefix)
    }
    return HeldObject(kind: location.kind, byteCount: Int(location.length), newPlace: nil, level: level)
  }

  private func read(_ node: NewNode, _ own: inout OpenedPacks) throws(PosternError) -> [UInt8] {
    if node.place.pack == writerNumber, let entry = entry(node.id), let bytes = try read(entry) { return bytes }
    var bytes = [UInt8](repeating: 0, count: node.byteCount)
    let outcome = bytes.withUnsafeMutableBytes { memory in
      Result { () throws(PosternError) in
        try own.read(pack: node.place.pack, offset: node.place.offset, into: memory)
      }
    }
    try outcome.get()
    return bytes
  }
}
