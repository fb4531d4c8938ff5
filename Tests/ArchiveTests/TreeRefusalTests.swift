import Archive
import Bulk
import Core
import Dump
import Envelope
import Fixtures
import Index
import Merkle
import Packs
import Records
import Sodium
import Testing

/// Dumps that are not complete, or whose trees say something else than what is there.
@Suite struct TreeRefusalTests {
  @Test func anIncompleteTreeIsRefusedAndCanBeCompleted() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    let changed = second.state.objects.filter { object in
      !scene.first.state.objects.contains { $0.id == object.id }
    }
    // Without any one of the new objects, the root among them.
    for left in changed.indices {
      let token = try await scene.application.begin(second, in: archive)
      for (position, object) in changed.enumerated() where position != left {
        try await archive.upload(MemoryBatch([object]), to: token)
      }
      try await scene.expect(.pushIncomplete) {
        try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
      }
      try await archive.abandon(token)
    }
    let token = try await scene.application.begin(second, in: archive)
    try await archive.upload(MemoryBatch(changed.dropLast()), to: token)
    try await scene.expect(.pushIncomplete) {
      try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    }
    let sent = try await archive.send(second.state.objects, in: token)
    #expect(sent == changed.suffix(1))
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectWhole(second, of: scene.application)
    #expect(try files(in: "\(scene.new.path)/incoming").isEmpty)
  }

  @Test func aTreeThatSaysSomethingElseIsRefused() async throws {
    let scene = try await RefusalScene()
    let (application, second) = (scene.application, scene.second)
    let key = try application.council.uploader()
    let objects = second.state.objects
    let node = try #require(objects.last { $0.kind == 2 })
    let chunk = try #require(objects.first { $0.kind == 1 })
    func record(root: Digest, byteCount: Int) -> EpochFixture {
      second.with(second.fields.changing(root: root, rootByteCount: UInt32(byteCount)), signedBy: key)
    }
    try await scene.expectRefused(
      [
        (record(root: node.id, byteCount: node.bytes.count + 1), .pushTree),
        (record(root: chunk.id, byteCount: chunk.bytes.count), .pushTree),
        (record(root: SHA256.hash([9]), byteCount: 100), .pushIncomplete),
      ])
  }

  @Test func nodesThatAreNoneAreRefused() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let key = try application.council.uploader()
    let chunk = try #require(scene.first.state.objects.first { $0.kind == 1 })
    let levelOne = try #require(scene.first.state.objects.first { $0.kind == 2 })
    for (node, code) in [
      // A chunk where a node has to be, and the other way round; a wrong length; no node at all.
      (nodeBytes(level: 2, children: [(chunk.id, 200)]), PosternError.Code.pushTree),
      (nodeBytes(level: 1, children: [(levelOne.id, 533)]), .pushTree),
      (nodeBytes(level: 1, children: [(chunk.id, 533)]), .pushTree),
      ([UInt8](repeating: 9, count: 40), .dumpNodeMalformed),
      (nodeBytes(level: 25, children: [(chunk.id, 533)]), .dumpNodeLevel),
    ] {
      let object = StoredObject(kind: 2, bytes: node)
      let record = scene.second.with(
        scene.second.fields.changing(root: object.id, rootByteCount: UInt32(node.count)), signedBy: key)
      let token = try await application.begin(record, in: archive)
      try await archive.upload(MemoryBatch([object]), to: token)
      try await scene.expect(code) {
        try await archive.sealAndShow(leaf: record.leaf, bodies: record.epochBodies, token: token)
      }
      try await archive.abandon(token)
    }
    try await scene.expectSecondGoesThrough()
  }

  /// What another generation or another application has stored is nothing that a tree may name: it is incomplete.
  @Test func aTreeThatNamesWhatIsElsewhereIsRefused() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let key = try application.council.uploader()
    let other = try Application(home: archive.home, seed: 2)
    _ = try await other.register(in: archive)
    var generator = SeededGenerator(seed: 41)
    let foreign = try other.epoch(1, state: generator.bytes(5_000))
    try await other.push(foreign, to: archive)
    let next = try application.epoch(
      2, after: scene.first.leafHash, stateVersion: 11, in: GenerationFixture(2, under: application.charter))
    func record(_ base: EpochFixture, root: Digest, byteCount: Int) -> EpochFixture {
      base.with(base.fields.changing(root: root, rootByteCount: UInt32(byteCount)), signedBy: key)
    }
    func naming(_ epoch: EpochFixture) throws -> StoredObject {
      let chunk = try #require(epoch.state.objects.first { $0.kind == 1 })
      return StoredObject(kind: 2, bytes: nodeBytes(level: 1, children: [(chunk.id, chunk.bytes.count)]))
    }
    func expect(_ base: EpochFixture, naming epoch: EpochFixture) async throws {
      let node = try naming(epoch)
      let root = try #require(epoch.state.objects.last)
      let token = try await application.begin(base, in: archive)
      _ = try await archive.send(base.state.objects + [node], in: token)
      // A node of one's own over a chunk of theirs, and the whole of their tree.
      for object in [node, root] {
        let record = record(base, root: object.id, byteCount: object.bytes.count)
        try await scene.expect(.pushIncomplete) {
          try await archive.sealAndShow(leaf: record.leaf, bodies: record.epochBodies, token: token)
        }
      }
      try await archive.abandon(token)
    }
    try await expect(next, naming: scene.first)
    try await expect(next, naming: foreign)
    try await expect(scene.second, naming: foreign)
    // The same node over a chunk of its own generation is a tree.
    let node = try naming(next)
    let own = record(next, root: node.id, byteCount: node.bytes.count)
    let token = try await application.begin(own, in: archive)
    _ = try await archive.send(next.state.objects + [node], in: token)
    let receipt = try await archive.sealAndShow(leaf: own.leaf, bodies: own.epochBodies, token: token)
    try archive.expectGood(receipt, of: own.leaf)
    try archive.expectWhole(scene.first, of: application)
    #expect(try files(in: "\(scene.new.path)/incoming").isEmpty)
  }

  /// A node's bytes with a public part of these children and a sealed part of noise.
  private func nodeBytes(level: UInt8, children: [(id: Digest, byteCount: Int)]) -> [UInt8] {
    var bytes: [UInt8] = [1, level]
    bytes.append(bigEndian: UInt16(children.count))
    for child in children.sorted(by: { $0.id < $1.id }) {
      bytes.append(child.id)
      bytes.append(bigEndian: UInt32(child.byteCount))
    }
    return bytes + [UInt8](repeating: 7, count: 42 * children.count + 16)
  }

  /// A node that its push does not reach was never looked below: it may not pass for complete in the next epoch.
  @Test func aNodeThatNobodyLookedBelowIsNotTakenForComplete() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    var generator = SeededGenerator(seed: 40)
    let third = try application.epoch(
      3, after: scene.second.leafHash, state: generator.bytes(5_000), stateVersion: 12)
    let root = try #require(third.state.objects.last)
    let chunks = third.state.objects.dropLast()

    // The second epoch brings the third one's root along, without what is below it.
    let token = try await application.begin(scene.second, in: archive)
    _ = try await archive.send(scene.second.state.objects + [root], in: token)
    _ = try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: token)

    let next = try await application.begin(third, in: archive)
    #expect(try await archive.missing([root.id], for: next) == [1])
    try await archive.upload(MemoryBatch([root]), to: next)
    try await scene.expect(.pushIncomplete) {
      try await archive.sealAndShow(leaf: third.leaf, bodies: third.epochBodies, token: next)
    }
    let sent = try await archive.send(third.state.objects, in: next)
    #expect(sent.map(\.id) == chunks.map(\.id))
    _ = try await archive.sealAndShow(leaf: third.leaf, bodies: third.epochBodies, token: next)
    try archive.expectWhole(third, of: application)
  }
}
