import Archive
import Core
import Fixtures
import Foundation
import Index
import Merkle
import Packs
import Records
import Testing

/// A disk that changes what was written: it is told, and nobody is given what was never admitted.
@Suite struct RottenTests {
  /// Changes a bit of some bytes that lie in a file, if they do.
  private func rot(_ bytes: [UInt8], at place: Int, by mask: UInt8 = 1, in path: String) throws -> Bool {
    var data = try Data(contentsOf: URL(filePath: path))
    guard let range = data.range(of: Data(bytes)) else { return false }
    data[range.lowerBound + place] ^= mask
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: data)
    try file.close()
    return true
  }

  /// A node that changed between its upload and the seal is not admitted, and the push after it goes through.
  @Test(arguments: [0, 1]) func aNodeThatRotsBeforeItsSealEndsThePush(fromEnd: Int) async throws {
    let scene = try await RefusalScene()
    let archive = scene.archive
    _ = try await archive.send(
      scene.second.state.objects, in: try await scene.application.begin(scene.second, in: archive))
    // Begun again, what was sent is on the disk.
    let token = try await scene.application.begin(scene.second, in: archive)
    let node = try #require(scene.second.state.objects.last { $0.kind == ObjectKind.node.rawValue })
    let place = fromEnd == 1 ? node.bytes.count - 1 : 10
    let incoming = "\(scene.new.path)/incoming"
    #expect(try files(in: incoming).contains { try rot(node.bytes, at: place, in: "\(incoming)/\($0)") })
    let missing = Bitmap(bytes: try await archive.missing(scene.second.state.objects.map(\.id), for: token))
    #expect(scene.second.state.objects.indices.allSatisfy { !missing[$0] })
    try await scene.expect(.pushRotten) {
      try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: token)
    }
    // Nobody goes on with what rotted.
    try await scene.expect(.pushUnknown) { try await archive.missing([node.id], for: token) }
    try await scene.expectSecondGoesThrough()
  }

  /// An archive with some epochs, of which no process has anything in memory; with sixteen, a run lists their packs.
  private func closedArchive(epochCount: UInt64) async throws -> (
    path: String, application: Application, epochs: [EpochFixture], new: NewArchive
  ) {
    let new = try await NewArchive(inMemory: true)
    let application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    var epochs: [EpochFixture] = []
    for number in 1...epochCount {
      epochs.append(try application.epoch(number, after: epochs.last?.leafHash ?? .zero))
      try await application.push(epochs[epochs.count - 1], to: new.archive)
    }
    await new.archive.finish()
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    return (copy, application, epochs, new)
  }

  /// A kind that changed in the footer of a pack is told as the disk's fault, and not as that of who names the object;
  /// where no run lists the pack, its objects are sent again.
  @Test(arguments: [1, 16], [ObjectKind.chunk, .body])
  func aKindThatRotsInAFooterBlamesNobody(epochCount: UInt64, kind: ObjectKind) async throws {
    let (path, application, epochs, new) = try await closedArchive(epochCount: epochCount)
    defer { withExtendedLifetime(new) {} }
    let next = try application.epoch(epochCount + 1, after: epochs[epochs.count - 1].leafHash)
    let held = Set(epochs.flatMap(\.state.objects).map(\.id))
    let chunks = next.state.objects.filter { held.contains($0.id) && $0.kind == ObjectKind.chunk.rawValue }
    // A line of a footer begins with id and kind: they are nodes now.
    for id in kind == .body ? [next.fields.veil] : chunks.map(\.id) {
      let line = id.bytes + [kind.rawValue]
      let mask = kind.rawValue ^ ObjectKind.node.rawValue
      let isRotten = try files(in: "\(path)/packs").contains {
        try rot(line, at: Digest.byteCount, by: mask, in: "\(path)/packs/\($0)")
      }
      #expect(isRotten)
    }

    let archive = try await openArchive(at: path)
    let token = try await application.begin(next, in: archive)
    _ = try await archive.send(next.state.objects, in: token)
    let error = await refusal { try await archive.seal(leaf: next.leaf, bodies: next.epochBodies, token: token) }
    #expect(error?.code == (epochCount == 1 ? nil : .pushRotten))
    if error == nil { try archive.expectWhole(next, of: application) }
    await archive.finish()
  }

  /// An id that changed in the footer of a pack is told as the pack's damage, whether a run lists the pack or not; who
  /// pushes sends the object again.
  @Test(arguments: [1, 16]) func anIdThatRotsInAFooterIsNotDenied(epochCount: UInt64) async throws {
    let (path, application, epochs, new) = try await closedArchive(epochCount: epochCount)
    defer { withExtendedLifetime(new) {} }
    let archive = try await openArchive(at: path)
    let (app, packs, lost) = (application.app, "\(path)/packs", epochs[0].state.objects[0])
    for place in [0, 31] {
      let line = lost.id.bytes + [lost.kind]
      let rotten = try files(in: packs).filter { try rot(line, at: place, in: "\(packs)/\($0)") }
      #expect(rotten.count == 1)
      let error = refusal { try archive.storedObjects([lost.id], app: app, generation: 1) }
      #expect(error?.code == .packWrongName || error?.code == .packDamaged)
      let next = try application.epoch(epochCount + 1, after: epochs[epochs.count - 1].leafHash)
      let token = try await application.begin(next, in: archive)
      #expect(try await archive.missing([lost.id], for: token) == [1])
      try await archive.abandon(token)
      var changed = line
      changed[place] ^= 1
      #expect(try files(in: packs).filter { try rot(changed, at: place, in: "\(packs)/\($0)") } == rotten)
      await archive.finish()
    }
  }

  /// A record that changed in the index is served by none, and not published over the file that has it right.
  @Test func aRecordThatRotsInTheIndexIsNotServed() async throws {
    let new = try await NewArchive()
    let application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    let first = try application.epoch(1)
    try await application.push(first, to: new.archive)
    let registration = application.registration.record.leaf
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    // What waits in the write-ahead log goes into the file.
    try ArchiveIndex.open(path: "\(copy)/index.sqlite").close()
    #expect(try rot(registration, at: registration.count - 1, in: "\(copy)/index.sqlite"))

    let stops = StopRecorder()
    let archive = try await openArchive(at: copy, stop: stops.handler)
    let bundle = try BundleCoordinate(index: 0, width: 2)
    #expect(refusal { try archive.bundle(bundle) }?.code == .indexDamaged)
    #expect(refusal { try archive.show(application.app) }?.code == .indexDamaged)
    let second = try application.epoch(2, after: first.leafHash)
    _ = try? await application.push(second, to: archive)
    await archive.finish()
    #expect(try Data(contentsOf: URL(filePath: "\(copy)/log/\(bundle.path)")) == Data(new.archive.bundle(bundle)))
    #expect(!stops.all.isEmpty && stops.all.allSatisfy { $0.code == .indexDamaged })
  }

  /// An id that is named many times is looked for once, and answered as often.
  @Test func anIdMayBeNamedManyTimes() async throws {
    let scene = try await RefusalScene()
    let token = try await scene.application.begin(scene.second, in: scene.archive)
    let (there, other) = (scene.first.state.objects[0].id, Digest([UInt8](repeating: 9, count: 32)) ?? .zero)
    let ids = (0..<1_000).map { $0 % 3 == 0 ? other : there }
    let missing = Bitmap(bytes: try await scene.archive.missing(ids, for: token))
    #expect(ids.indices.allSatisfy { missing[$0] == ($0 % 3 == 0) })
  }
}
