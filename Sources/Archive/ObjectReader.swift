public import Core
import Index
import Packs

/// Reads the objects of one request, batch by batch, into memory of the caller's.
///
/// Where all of them lie is known before the first byte is read, so a request for something that is not here is
/// refused and not broken off. Neighbours in a pack are read together.
public struct ObjectReader: ~Copyable {
  /// Objects that one answer carries, in the order asked.
  public struct Batch: Sendable {
    /// The objects.
    public let objects: [IncomingObject]
    fileprivate let locations: [ObjectLocation]
    /// Bytes of all of them.
    public let byteCount: Int
  }

  private var packs: OpenedPacks
  private var rest: ArraySlice<(id: Digest, location: ObjectLocation)>

  init(_ ids: [Digest], app: Digest, generation: UInt64, index: ArchiveIndex, folder: DataFolder) throws(PosternError) {
    let found = try index.read { (snapshot) throws(PosternError) in
      try snapshot.locate(ids, app: app, generation: generation, push: nil)
    }
    var located: [(id: Digest, location: ObjectLocation)] = []
    for (id, location) in zip(ids, found.objects) {
      guard let location else { throw .lacking(id) }
      located.append((id, location))
    }
    packs = OpenedPacks(found.packs, folder: folder)
    rest = located[...]
  }

  /// The next objects: up to ``ArchiveLimits/batchByteCount`` bytes, at least one object; nil at the end.
  public mutating func nextBatch() -> Batch? {
    var byteCount = 0
    let taken = rest.prefix { object in
      byteCount += Int(object.location.length)
      return byteCount <= ArchiveLimits.batchByteCount
    }
    let objects = taken.isEmpty ? rest.prefix(1) : taken
    guard !objects.isEmpty else { return nil }
    rest = rest[objects.endIndex...]
    return Batch(
      objects: objects.map { object in
        let location = object.location
        return IncomingObject(id: object.id, kind: location.kind.rawValue, byteCount: Int(location.length))
      },
      locations: objects.map(\.location), byteCount: objects.reduce(0) { $0 + Int($1.location.length) })
  }

  /// Reads a batch's objects, one after the other.
  ///
  /// - Parameters:
  ///   - batch: what ``nextBatch()`` gave.
  ///   - memory: at least as many bytes as the batch has.
  /// - Throws: `storage.*`, `pack.*`.
  public mutating func read(_ batch: Batch, into memory: UnsafeMutableRawBufferPointer) throws(PosternError) {
    precondition(memory.count >= batch.byteCount)
    var done = 0
    var position = 0
    while position < batch.locations.count {
      let first = batch.locations[position]
      var end = first.offset + UInt64(first.length)
      position += 1
      while position < batch.locations.count, batch.locations[position].pack == first.pack,
        batch.locations[position].offset == end
      {
        end += UInt64(batch.locations[position].length)
        position += 1
      }
      let byteCount = Int(end - first.offset)
      let target = UnsafeMutableRawBufferPointer(rebasing: memory[done..<done + byteCount])
      try packs.read(pack: first.pack, offset: first.offset, into: target)
      done += byteCount
    }
  }
}

/// Packs that are open for one request, each opened when it is first read.
struct OpenedPacks {
  private let folder: DataFolder
  private let rows: [UInt64: PackRow]
  private var open: [UInt64: OpenedPack] = [:]
  /// Files that one request keeps open.
  private static let limit = 16

  /// No pack is open yet.
  init(_ rows: [UInt64: PackRow], folder: DataFolder) {
    self.rows = rows
    self.folder = folder
  }

  /// Reads bytes of a pack.
  ///
  /// - Throws: `archive.not-found` for a pack that has no row; `storage.*`, `pack.*`.
  mutating func read(
    pack number: UInt64, offset: UInt64, into memory: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    try pack(number).file.read(offset: offset, into: memory)
  }

  /// Reads an object's first bytes.
  mutating func read(_ location: ObjectLocation, byteCount: Int) throws(PosternError) -> [UInt8] {
    try pack(location.pack).file.read(offset: location.offset, length: min(byteCount, Int(location.length)))
  }

  private mutating func pack(_ number: UInt64) throws(PosternError) -> OpenedPack {
    if let pack = open[number] { return pack }
    guard let row = rows[number] else { throw .noSuchPartOfLog }
    if open.count >= OpenedPacks.limit { open.removeAll() }
    let pack = OpenedPack(
      try folder.openPack(number: number, app: row.app, generation: row.generation, name: row.name))
    open[number] = pack
    return pack
  }
}

/// Keeps an open file in a dictionary, which takes no value that has one owner.
private final class OpenedPack {
  let file: PackFile

  init(_ file: consuming PackFile) {
    self.file = file
  }
}
