import Archive
import Bulk
import Core
import Dump
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing

/// Bodies that were sent as nodes, so that nobody would look below them.
@Suite struct DisguiseTests {
  /// A node of one child and noise in the sealed part.
  private func node(_ level: UInt8, over child: StoredObject) -> StoredObject {
    var bytes: [UInt8] = [1, level, 0, 1]
    bytes.append(child.id)
    bytes.append(bigEndian: UInt32(child.bytes.count))
    return StoredObject(kind: 2, bytes: bytes + [UInt8](repeating: 7, count: 42 + 16))
  }

  @Test func aBodyThatWasSentAsANodeIsRefused() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    for body in [second.envelope, second.capsule] {
      let token = try await scene.application.begin(second, in: archive)
      _ = try await archive.send(second.state.objects + [StoredObject(kind: 2, bytes: body)], in: token)
      try await scene.expect(.pushBody) {
        try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
      }
      try await archive.abandon(token)
    }
    // The veil was admitted with the first epoch: that says what it is.
    let token = try await scene.application.begin(second, in: archive)
    try await archive.upload(MemoryBatch([StoredObject(kind: 2, bytes: second.veil)]), to: token)
    _ = try await archive.send(second.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    #expect(try files(in: "\(scene.new.path)/incoming").isEmpty)
    let third = try scene.application.epoch(3, after: second.leafHash, stateVersion: 12)
    try await scene.application.push(third, to: archive)
    let veil = try archive.storedObjects([second.fields.veil], app: scene.application.app, generation: 1)
    #expect(veil == [StoredObject(kind: 3, bytes: second.veil)])
  }

  /// A capsule's bytes are its uploader's to choose: here they begin like those of a node of level 1.
  @Test func aBodyIsNothingThatATreeMayStandOn() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let key = try application.council.uploader()
    let bytes = [UInt8]([1, 1]) + [UInt8](repeating: 9, count: scene.second.capsule.count - 2)
    let capsule = StoredObject(kind: 2, bytes: bytes)
    let second = scene.second.with(scene.second.fields.changing(capsule: capsule.id), signedBy: key)
    let bodies = EpochBodies(envelope: second.envelope, veil: second.veil, capsule: bytes)
    let token = try await application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects + [capsule], in: token)
    try await scene.expect(.pushBody) {
      try await archive.sealAndShow(leaf: second.leaf, bodies: bodies, token: token)
    }
    try await archive.abandon(token)

    // Admitted as the body that it is, it carries no tree, neither sent again nor held already.
    let again = try await application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: again)
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: bodies, token: again)
    let root = node(2, over: capsule)
    let wrong = try application.epoch(3, after: second.leafHash, stateVersion: 12)
    let third = wrong.with(
      wrong.fields.changing(root: root.id, rootByteCount: UInt32(root.bytes.count)), signedBy: key)
    for sent in [[root], [root, capsule]] {
      let token = try await application.begin(third, in: archive)
      for object in sent { try await archive.upload(MemoryBatch([object]), to: token) }
      try await scene.expect(.pushTree) {
        try await archive.sealAndShow(leaf: third.leaf, bodies: third.epochBodies, token: token)
      }
      try await archive.abandon(token)
    }
    // Nor does a tree name a body of its own record.
    let own = node(2, over: StoredObject(kind: 2, bytes: wrong.envelope))
    let fourth = wrong.with(
      wrong.fields.changing(root: own.id, rootByteCount: UInt32(own.bytes.count)), signedBy: key)
    let last = try await application.begin(fourth, in: archive)
    try await archive.upload(MemoryBatch([own]), to: last)
    try await scene.expect(.pushBody) {
      try await archive.sealAndShow(leaf: fourth.leaf, bodies: fourth.epochBodies, token: last)
    }
    #expect(try await application.push(wrong, to: archive).receipt.isEmpty == false)
  }

  /// A folder in which an older version let it happen: no epoch more is admitted over such a node, and the next mark
  /// finds the body a place of its own.
  @Test func aMarkTakesTheDisguiseAway() async throws {
    let new = try await NewArchive(inMemory: true)
    let copy = new.folder.path("copy")
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 1)
    try await scene.push(try scene.next((0..<20).map { 100 + $0 }), to: new.archive)
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    scene = scene.moved(to: copy)
    let first = scene.epochs[0]
    let disguised: Set<Digest> = [first.fields.envelope, first.fields.veil]
    try await disguise(disguised, of: scene.app, at: copy)

    let archive = try await openArchive(at: copy)
    let kinds = try archive.storedObjects(Array(disguised), app: scene.app, generation: 1).map(\.kind)
    #expect(kinds == [2, 2])
    // The veil is every epoch's of the generation.
    let next = try scene.next((0..<20).map { 200 + $0 })
    let refused = await refusal { try await scene.application.push(next, to: archive) }
    #expect(refused?.code == .pushBody)
    try await archive.collectIdlePushes(nowSeconds: .max)
    try scene.openGeneration()
    try await scene.push(try scene.next((0..<20).map { 200 + $0 }), to: archive)
    try scene.collected(await archive.collect())
    try scene.expectSound(archive)
    let bodies = try archive.storedObjects(Array(disguised), app: scene.app, generation: 1)
    #expect(bodies.map(\.kind) == [3, 3])
    let folder = "\(copy)/packs/\(scene.app.hex)/1"
    let entries = try files(in: folder).flatMap { pack in
      let name = try #require(Digest(hex: String(pack.dropLast(5))))
      let footer = try PackReader("\(folder)/\(pack)", name: name).footer
      return (0..<footer.count).map { footer[$0] }
    }
    #expect(entries.count == 2 && entries.allSatisfy { $0.kind == .body && disguised.contains($0.id) })
    // And no mark is due again.
    try archive.noteAllForCollection()
    #expect(await archive.collect().isEmpty)
  }

  /// Writes the pack of the first generation anew, with some of its bodies as nodes.
  private func disguise(_ bodies: Set<Digest>, of app: Digest, at path: String) async throws {
    let folder = try DataFolder.open(at: path)
    let index = try ArchiveIndex.open(path: folder.indexPath)
    let pack = try #require(
      try index.read { (s) throws(PosternError) in try s.packs(in: .placed) }.last { $0.generation == 1 })
    let name = try #require(pack.name)
    let reader = try PackReader("\(path)/packs/\(app.hex)/1/\(name.hex).pack", name: name)
    let number = index.reservePack()
    var writer = try folder.createPack(number: number, app: app, generation: 1)
    for entry in (0..<reader.footer.count).map({ reader.footer[$0] }) {
      let bytes = try #require(try reader.read(entry.id))
      let kind = bodies.contains(entry.id) ? ObjectKind.node : entry.kind
      _ = try bytes.withUnsafeBytes { try writer.append(id: entry.id, kind: kind, bytes: $0) }
    }
    let done = try writer.finish()
    let sealing = PackSealing(
      pack: OpenPack(number: number, app: app, generation: 1, push: nil), name: done.name, byteCount: done.byteCount)
    #expect(try await index.writer.replacePacks([pack], by: sealing)?.map(\.number) == [pack.number])
    try index.close()
  }
}
