import Bulk
import Core
import Glibc
import Packs
import Testing

/// Sealed packs written anew without what is dead, and the removal of the old ones.
@Suite struct MergeTests {
  private let app = SHA256.hash(Array("app".utf8))

  /// Writes, finishes and places a pack.
  private func place(_ objects: [[UInt8]], _ number: UInt64, in folder: DataFolder) throws -> PackPlacement {
    let placement = try finish(objects, number, in: folder)
    try folder.place([placement])
    return placement
  }

  /// Writes and finishes a pack, which is still in `incoming/`.
  private func finish(_ objects: [[UInt8]], _ number: UInt64, in folder: DataFolder) throws -> PackPlacement {
    var writer = try folder.createPack(number: number, app: app, generation: 1)
    for bytes in objects { try writer.append(bytes) }
    let done = try writer.finish()
    return PackPlacement(number: number, app: app, generation: 1, name: done.name)
  }

  /// The bits of some objects in the order of their ids, as the footer has them.
  private func positions(_ dead: Set<Digest>, of objects: [[UInt8]]) -> Bitmap {
    var bits = Bitmap(count: objects.count)
    for (position, id) in objects.map({ SHA256.hash($0) }).sorted().enumerated() where dead.contains(id) {
      bits[position] = true
    }
    return bits
  }

  @Test func whatIsNotDeadIsInTheNewPackOnce() throws {
    let temporary = TemporaryFolder()
    var generator = SeededGenerator(seed: 7)
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let first = (0..<20).map { _ in generator.bytes(100) }
    let second = (0..<11).map { _ in generator.bytes(50) } + first.prefix(3)
    let placed = [try place(first, 1, in: folder), try place(second, 2, in: folder)]
    let dead = Set((first.suffix(8) + second.prefix(5)).map { SHA256.hash($0) })
    let sources = [
      PackSource(placed[0], deadPositions: positions(dead, of: first)),
      PackSource(placed[1], deadPositions: positions(dead, of: second)),
    ]
    let merged = try folder.mergePacks(sources, to: 3)
    let done = try #require(merged)
    let kept = (first + second).filter { !dead.contains(SHA256.hash($0)) }
    #expect(Set(done.entries.map(\.id)) == Set(kept.map { SHA256.hash($0) }) && done.entries.count == 12 + 6)
    try folder.place([PackPlacement(number: 3, app: app, generation: 1, name: done.name)], checking: true)
    try folder.removePlaced(placed)
    try folder.removePlaced(placed)
    let packs = folder.layout.packs(app: app, generation: 1)
    #expect(try SystemFiles().names(packs) == ["\(done.name.hex).pack"])
    let reader = try PackReader("\(packs)/\(done.name.hex).pack", name: done.name)
    for bytes in kept {
      let read = try reader.read(SHA256.hash(bytes))
      #expect(read == bytes)
    }
    // Of packs with nothing left there is no new one.
    let source = PackSource(
      PackPlacement(number: 3, app: app, generation: 1, name: done.name),
      deadPositions: Bitmap(bytes: [0xff, 0xff, 0xff]))
    let none = try folder.mergePacks([source], to: 4)
    #expect(none == nil)
    #expect(try folder.incomingPacks().isEmpty)
  }

  /// A pack that is given its name between two looks for it is found.
  @Test func aPackThatIsPlacedMeanwhileIsFound() throws {
    let temporary = TemporaryFolder()
    var generator = SeededGenerator(seed: 9)
    let objects = (0..<4).map { _ in generator.bytes(100) }
    var folder: DataFolder? = try DataFolder.create(at: "\(temporary.path)/data")
    let pack = try finish(objects, 1, in: try #require(folder))
    let layout = try #require(folder).layout
    let (incoming, placed) = (layout.incomingPack(1), layout.pack(app: app, generation: 1, name: pack.name))
    try folder?.place([try finish([[1]], 9, in: try #require(folder))])
    folder = nil
    let files = FaultyFiles(failing: 0) { path in if path == incoming { rename(incoming, placed) } }
    let moving = try DataFolder.open(at: "\(temporary.path)/data", files: files)
    let merged = try moving.mergePacks([PackSource(pack, deadPositions: Bitmap(count: 0))], to: 2)
    #expect(try #require(merged).entries.count == 4)
    #expect(rename(placed, incoming) == 0)
    let opened = try moving.openPack(number: 1, app: app, generation: 1, name: pack.name)
    #expect(opened.count == 4)
  }

  /// An object that has rotted is not written into a new pack under a name that says it is sound.
  @Test func aRottenObjectIsRefusedAndNothingIsLeft() throws {
    let temporary = TemporaryFolder()
    var generator = SeededGenerator(seed: 8)
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let placed = try place((0..<4).map { _ in generator.bytes(100) }, 1, in: folder)
    let path = folder.layout.pack(app: app, generation: 1, name: placed.name)
    let descriptor = open(path, O_WRONLY)
    #expect(pwrite(descriptor, [UInt8]([0, 1, 2, 3]), 4, 170) == 4)
    close(descriptor)
    expect(.packObjectDamaged) { () throws(PosternError) in
      try folder.mergePacks([PackSource(placed, deadPositions: Bitmap(count: 0))], to: 2)
    }
    #expect(try folder.incomingPacks().isEmpty)
    #expect(try SystemFiles().names(folder.layout.packs(app: app, generation: 1)).count == 1)
  }
}
