public import Core
import Index
import Packs

/// Reads the objects of one request, batch by batch, into memory of the caller's.
///
/// Where all of them lie is known before the first byte is read, so a request for something that is not here is
/// refused and not broken off. They come in the order in which they lie in the packs, and neighbours are read together.
public struct ObjectReader: ~Copyable {
  /// Objects that one answer carries.
  public struct Batch: Sendable {
    /// The objects.
    public let objects: [BatchObject]
    fileprivate let locations: [ObjectLocation]
    /// Bytes of all of them.
    public let byteCount: Int
  }

  private let finder: ObjectFinder
  private let space: Space
  private var names: [UInt64: Digest]
  private var rest: ArraySlice<ObjectLocation>

  init(_ ids: [Digest], in space: Space, _ finder: ObjectFinder) throws(PosternError) {
    let found = try ObjectReader.locate(ids, in: space, finder)
    self.finder = finder
    self.space = space
    names = found.names
    rest = found.locations.sorted { ($0.pack, $0.entry.offset) < ($1.pack, $1.entry.offset) }[...]
  }

  private static func locate(
    _ ids: [Digest], in space: Space, _ finder: ObjectFinder
  ) throws(PosternError) -> (locations: [ObjectLocation], names: [UInt64: Digest]) {
    let found = try finder.locate(ids, in: space)
    var located: [ObjectLocation] = []
    for (id, location) in zip(ids, found.objects) {
      guard let location else { throw found.unreadable ?? .lacking(id) }
      located.append(location)
    }
    return (located, found.names)
  }

  /// The next objects, at least one; nil at the end.
  ///
  /// They make a message of at most ``Core/ProtocolLimits/batchByteCount`` bytes, a power of two, as the buffer is that
  /// it comes to lie in.
  public mutating func nextBatch() -> Batch? {
    var byteCount = ProtocolLimits.batchHeadByteCount
    let taken = rest.prefix { object in
      byteCount += ProtocolLimits.batchedObjectHeadByteCount + Int(object.entry.length)
      return byteCount <= ProtocolLimits.batchByteCount
    }
    let objects = taken.isEmpty ? rest.prefix(1) : taken
    guard !objects.isEmpty else { return nil }
    rest = rest[objects.endIndex...]
    return Batch(
      objects: objects.map(\.entry).map { entry in
        BatchObject(id: entry.id, kind: entry.kind.rawValue, byteCount: Int(entry.length))
      },
      locations: Array(objects), byteCount: objects.reduce(0) { $0 + Int($1.entry.length) })
  }

  /// Reads a batch's objects, one after the other.
  ///
  /// - Parameters:
  ///   - batch: what ``nextBatch()`` gave.
  ///   - memory: at least as many bytes as the batch has.
  /// - Throws: `storage.*`, `pack.*`; `archive.not-found` for what was collected since it was located.
  public mutating func read(_ batch: Batch, into memory: UnsafeMutableRawBufferPointer) throws(PosternError) {
    precondition(memory.count >= batch.byteCount)
    do throws(PosternError) {
      try read(batch.locations, into: memory)
    } catch let error where error.code == .storageMissing {
      // A pack was written anew meanwhile: its objects lie elsewhere, or were collected.
      let found = try ObjectReader.locate(batch.objects.map(\.id), in: space, finder)
      names.merge(found.names) { $1 }
      try read(found.locations, into: memory)
    }
  }

  private func read(
    _ locations: [ObjectLocation], into memory: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    var done = 0
    var position = 0
    var opened: (number: UInt64, pack: OpenedPack)?
    while position < locations.count {
      let first = locations[position]
      var end = first.entry.end
      position += 1
      while position < locations.count, locations[position].pack == first.pack,
        locations[position].entry.offset == end
      {
        end = locations[position].entry.end
        position += 1
      }
      let byteCount = Int(end - first.entry.offset)
      let target = UnsafeMutableRawBufferPointer(rebasing: memory[done..<done + byteCount])
      if opened?.number != first.pack {
        opened = (first.pack, try finder.files.pack(first.pack, names[first.pack], of: space))
      }
      try opened?.pack.file.read(offset: first.entry.offset, into: target)
      done += byteCount
    }
  }
}
