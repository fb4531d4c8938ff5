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

    /// How much memory ``ObjectReader/read(_:into:)`` needs for them.
    public var memoryByteCount: Int { byteCount + ObjectReader.memoryMargin }
  }

  /// A margin before the first stretch that is read, and one behind each in turn.
  private static let memoryMargin = 2 * PackFile.memoryMargin
  /// Bytes of a batch: memory for one is then no longer than the longest batch of the protocol.
  private static let batchByteCount = ProtocolLimits.batchByteCount - memoryMargin

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

  /// The next objects: fewer bytes than ``Core/ProtocolLimits/batchByteCount``, unless it is one object alone; nil at the end.
  public mutating func nextBatch() -> Batch? {
    var byteCount = 0
    let taken = rest.prefix { object in
      byteCount += Int(object.entry.length)
      return byteCount <= ObjectReader.batchByteCount
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
  ///   - memory: the batch's ``Batch/memoryByteCount`` at the least.
  /// - Returns: where in the memory they lie; the rest of it holds anything afterwards.
  /// - Throws: `storage.*`, `pack.*`; `archive.not-found` for what was collected since it was located.
  public mutating func read(
    _ batch: Batch, into memory: UnsafeMutableRawBufferPointer
  ) throws(PosternError) -> Range<Int> {
    precondition(memory.count >= batch.memoryByteCount)
    do throws(PosternError) {
      return try read(batch.locations, into: memory)
    } catch let error where error.code == .storageMissing {
      // A pack was written anew meanwhile: its objects lie elsewhere, or were collected.
      let found = try ObjectReader.locate(batch.objects.map(\.id), in: space, finder)
      names.merge(found.names) { $1 }
      return try read(found.locations, into: memory)
    }
  }

  /// Reads a batch's objects into an array.
  ///
  /// - Throws: as ``read(_:into:)``.
  package mutating func bytes(of batch: Batch) throws(PosternError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: batch.memoryByteCount)
    let range = try bytes.withMutableRawBytes { (memory) throws(PosternError) in try read(batch, into: memory) }
    return Array(bytes[range])
  }

  private func read(
    _ locations: [ObjectLocation], into memory: UnsafeMutableRawBufferPointer
  ) throws(PosternError) -> Range<Int> {
    var done = 0..<0
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
      if opened?.number != first.pack {
        opened = (first.pack, try finder.files.pack(first.pack, names[first.pack], of: space))
      }
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done.upperBound...])
      guard let range = try opened?.pack.file.read(offset: first.entry.offset, count: byteCount, into: rest) else {
        break
      }
      done = ObjectReader.append(range, of: rest, to: done, of: memory)
    }
    return done
  }

  /// Moves what was read next to what was read before; the first stretch stays where it is.
  ///
  /// - Returns: where in the memory all of it lies.
  private static func append(
    _ range: Range<Int>, of rest: UnsafeMutableRawBufferPointer, to done: Range<Int>,
    of memory: UnsafeMutableRawBufferPointer
  ) -> Range<Int> {
    guard !done.isEmpty else { return range }
    if range.lowerBound > 0 { rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[range])) }
    return done.lowerBound..<done.upperBound + range.count
  }
}
