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

  private let finder: ObjectFinder
  private let space: Space
  private let names: [UInt64: Digest]
  private var rest: ArraySlice<ObjectLocation>

  init(_ ids: [Digest], in space: Space, _ finder: ObjectFinder) throws(PosternError) {
    let found = try finder.locate(ids, in: space)
    var located: [ObjectLocation] = []
    for (id, location) in zip(ids, found.objects) {
      guard let location else { throw found.unreadable ?? .lacking(id) }
      located.append(location)
    }
    self.finder = finder
    self.space = space
    names = found.names
    rest = located[...]
  }

  /// The next objects: up to ``ArchiveLimits/batchByteCount`` bytes, at least one object; nil at the end.
  public mutating func nextBatch() -> Batch? {
    var byteCount = 0
    let taken = rest.prefix { object in
      byteCount += Int(object.entry.length)
      return byteCount <= ArchiveLimits.batchByteCount
    }
    let objects = taken.isEmpty ? rest.prefix(1) : taken
    guard !objects.isEmpty else { return nil }
    rest = rest[objects.endIndex...]
    return Batch(
      objects: objects.map(\.entry).map { entry in
        IncomingObject(id: entry.id, kind: entry.kind.rawValue, byteCount: Int(entry.length))
      },
      locations: Array(objects), byteCount: objects.reduce(0) { $0 + Int($1.entry.length) })
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
      var end = first.entry.end
      position += 1
      while position < batch.locations.count, batch.locations[position].pack == first.pack,
        batch.locations[position].entry.offset == end
      {
        end = batch.locations[position].entry.end
        position += 1
      }
      let byteCount = Int(end - first.entry.offset)
      let target = UnsafeMutableRawBufferPointer(rebasing: memory[done..<done + byteCount])
      let pack = try finder.open(first.pack, names[first.pack], of: space)
      try pack.file.read(offset: first.entry.offset, into: target)
      done += byteCount
    }
  }
}
