import Client
import Core
import Dump
import Envelope
import Fixtures
import FoundationEssentials
import Merkle
import Records
import Sodium
import Synchronization
import Testing
import Trust

@Suite struct RecoverRefusalTests {
  /// Whatever an archive does to an object, the recovery names it and leaves nothing behind.
  @Test func refusesWhatIsNotTheDump() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push(sampleState(byteCount: 3 << 20), over: archive)
      let (sealed, door) = try await fixture.open(over: archive)
      // The first objects are nodes.
      let cases: [(Int, Disturbance, Set<PosternError.Code>)] = [
        (0, .flip, [.dumpWrongID]), (40, .flip, [.dumpWrongID]), (300, .flip, [.dumpWrongID]),
        (1, .shorten, [.dumpObjectLength]), (310, .shorten, [.dumpObjectLength]),
        (2, .drop, [.sourceAbsent]), (320, .drop, [.sourceAbsent]),
        (3, .swap, [.sourceUnasked, .dumpUnasked, .dumpWrongID, .dumpObjectLength]), (330, .swap, [.sourceUnasked]),
      ]
      for (number, disturbance, codes) in cases {
        let source = DisturbedSource(archive, number: number, disturbance: disturbance)
        let path = fixture.file("out")
        let code = await refusal {
          try await Recoverer.recover(
            RecoverOptions(output: .file(path: path)), opening: door.opening, capsule: sealed.capsule, from: source)
        }?.code
        #expect(code.map(codes.contains) == true, "object \(number), \(disturbance): \(String(describing: code))")
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.path)
        #expect(!names.contains { $0.hasPrefix("out") || $0.hasSuffix(".part") })
      }
    }
  }

  @Test func refusesTheWrongKeyAndCapsule() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let (sealed, door) = try await fixture.open(over: archive)
      #expect(refusal { try KMSDoorOpener.open(sealed, key: fixture.key(.kms, "other")).app }?.code == .envelopeKey)
      #expect(refusal { try KMSDoorOpener.open(sealed, key: fixture.key(.member, "ana")).app }?.code == "key.role")
      let options = RecoverOptions(output: .file(path: fixture.file("out")))
      var capsule = sealed.capsule
      capsule[0] ^= 1
      let damaged = capsule
      #expect(
        await refusal {
          try await Recoverer.recover(options, opening: door.opening, capsule: damaged, from: archive)
        }?.code == .recoverCapsule)
      #expect(
        refusal {
          try Successor(
            of: door.opening, capsule: sealed.capsule, veil: sealed.veil.bytes,
            as: fixture.key(.uploader, "stranger"), statePath: fixture.statePath
          ).goOn()
        }?.code == .beginAuthor)
      // Another epoch's door opens nothing here.
      try await fixture.push([4], over: archive)
      let (second, _) = try await fixture.open(over: archive)
      #expect(
        await refusal {
          try await Recoverer.recover(options, opening: door.opening, capsule: second.capsule, from: archive)
        }?.code == .recoverCapsule)
    }
  }

  @Test func overwritesNothing() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let (sealed, door) = try await fixture.open(over: archive)
      let path = fixture.file("out")
      try Data([9]).write(to: URL(filePath: path))
      func recover(_ path: String) async -> PosternError.Code? {
        await refusal {
          try await Recoverer.recover(
            RecoverOptions(output: .file(path: path)), opening: door.opening, capsule: sealed.capsule, from: archive)
        }?.code
      }
      #expect(await recover(path) == .recoverExists)
      #expect(try Data(contentsOf: URL(filePath: path)) == Data([9]))
      #expect(await recover(fixture.file("no/such/folder")) == "storage.missing")
      #expect(await recover(fixture.path + "/") == .recoverExists)
      #expect(await recover("") == .recoverOutput)
      // A file that appears while the state is written.
      let late = fixture.file("late")
      let source = DisturbedSource(archive, number: 1, disturbance: .appear(path: late))
      let code = await refusal {
        try await Recoverer.recover(
          RecoverOptions(output: .file(path: late)), opening: door.opening, capsule: sealed.capsule, from: source)
      }?.code
      #expect(code == .recoverExists)
      #expect(try Data(contentsOf: URL(filePath: late)) == Data([7]))
      let names = try FileManager.default.contentsOfDirectory(atPath: fixture.path)
      #expect(!names.contains { $0.hasSuffix(".part") })
    }
  }
}

/// What a lying archive does to one object.
private enum Disturbance {
  case flip
  case shorten
  case drop
  /// Sends another one in its place.
  case swap
  /// Leaves the object alone; a file appears.
  case appear(path: String)
}

/// An archive that spoils the n-th object that it is asked for.
private final class DisturbedSource: OddSource {
  let origin: ArchiveConnection
  private let number: Int
  private let disturbance: Disturbance
  private let count = Mutex(0)

  init(_ archive: ArchiveConnection, number: Int, disturbance: Disturbance) {
    origin = archive
    self.number = number
    self.disturbance = disturbance
  }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await origin.objects(query) { batch in
      let first = self.count.withLock { count in
        defer { count += batch.count }
        return count
      }
      var batch = batch
      let index = self.number - first
      if batch.indices.contains(index) { self.disturb(&batch, index) }
      try await receive(batch)
    }
  }

  private func disturb(_ batch: inout [SourceObject], _ index: Int) {
    let id = batch[index].id
    var bytes = batch[index].bytes.array[...]
    switch disturbance {
    case .flip: bytes[bytes.startIndex + bytes.count / 2] ^= 1
    case .shorten: bytes.removeLast()
    case .drop:
      batch.remove(at: index)
      return
    case .swap:
      batch[index] = SourceObject(id: .zero, bytes: bytes)
      return
    case .appear(let path): try? Data([7]).write(to: URL(filePath: path))
    }
    batch[index] = SourceObject(id: id, bytes: bytes)
  }
}
