import Archive
import Bulk
import Core
import Fixtures
import Foundation
import Packs
import Records
import Testing
import Trust

/// An application that keeps few epochs, and a model of what its archive has to find.
struct CollectionScene {
  /// What a generation's epochs brought, and what may not be found any more.
  private struct Objects {
    var known: Set<Digest> = []
    var dead: Set<Digest> = []
  }

  private(set) var path: String
  let application: Application
  let retention: Int
  private(set) var epochs: [EpochFixture] = []
  private(set) var receipts: [[UInt8]] = []
  private var generations: [GenerationFixture]
  private var objects: [UInt64: Objects] = [:]
  private var byteCounts: [Digest: Int] = [:]

  /// Registers the application.
  init(_ archive: Archive, at path: String, retention: Int, seed: UInt64 = 1) async throws {
    self.path = path
    self.retention = retention
    application = try Application(home: archive.home, seed: seed, retentionEpochs: UInt64(retention))
    generations = [application.generation]
    _ = try await application.register(in: archive)
  }

  var app: Digest { application.app }
  /// Whether the newest generation has an epoch, so that the next one may open.
  var isGenerationUsed: Bool { epochs.last?.fields.generation == generations.last?.number }
  /// The epochs that have to be kept.
  var retained: ArraySlice<EpochFixture> { epochs.suffix(retention) }

  /// The same in a copy of the archive's folder.
  func moved(to path: String) -> CollectionScene {
    var scene = self
    scene.path = path
    return scene
  }

  // MARK: Pushing

  mutating func openGeneration() throws {
    let number = UInt64(generations.count + 1)
    generations.append(try GenerationFixture(number, under: application.charter, seed: number))
  }

  /// The next epoch, of a state of 4-KiB pages that are each made from a number.
  func next(_ pages: [UInt64]) throws -> EpochFixture {
    var state: [UInt8] = []
    for page in pages {
      var generator = SeededGenerator(seed: page)
      state += generator.bytes(4_096)
    }
    return try application.epoch(
      UInt64(epochs.count + 1), after: epochs.last?.leafHash ?? .zero, state: state, in: generations.last)
  }

  mutating func push(_ epoch: EpochFixture, to archive: Archive) async throws {
    let receipt = try await application.push(epoch, to: archive).receipt
    admitted(epoch, receipt)
  }

  mutating func admitted(_ epoch: EpochFixture, _ receipt: [UInt8]) {
    epochs.append(epoch)
    receipts.append(receipt)
    let ids = CollectionScene.ids(of: epoch, isRetained: true)
    objects[epoch.fields.generation, default: Objects()].known.formUnion(ids)
    objects[epoch.fields.generation]?.dead.subtract(ids)
    for object in epoch.state.objects { byteCounts[object.id] = object.bytes.count }
    for (id, body) in epoch.bodies { byteCounts[id] = body.count }
  }

  // MARK: Looking

  private static func ids(of epoch: EpochFixture, isRetained: Bool) -> Set<Digest> {
    let fields = epoch.fields
    return isRetained
      ? Set(epoch.state.objects.map(\.id)).union([fields.envelope, fields.veil, fields.capsule])
      : [fields.envelope, fields.veil]
  }

  /// What has to be found of a generation; with a count, what had to be when there were so many epochs.
  func live(in generation: UInt64, after epochCount: Int? = nil) -> Set<Digest> {
    let epochs = epochs.prefix(epochCount ?? epochs.count)
    let expired = epochs.count - min(retention, epochs.count)
    return epochs.filter { $0.fields.generation == generation }.reduce(into: []) { live, epoch in
      live.formUnion(CollectionScene.ids(of: epoch, isRetained: epoch.fields.number > UInt64(expired)))
    }
  }

  /// Takes in what a collection says that it did with the archive as it is.
  mutating func collected(_ reports: [CollectionReport]) throws {
    for report in reports where report.deadByteCount != nil {
      #expect(report.app == app && report.error == nil)
      #expect(report.expiredEpoch == UInt64(epochs.count - retention))
      let live = live(in: report.generation)
      bury(report.generation)
      try expectLittleDead(in: report.generation, live)
    }
  }

  private mutating func bury(_ generation: UInt64) {
    let dead = objects[generation]?.known.subtracting(live(in: generation)) ?? []
    objects[generation]?.dead = dead
  }

  /// What is not live may not be found, whichever collection it was that hid it.
  mutating func expectDead() {
    for generation in objects.keys {
      bury(generation)
    }
  }

  /// Says that of no pack a quarter or more is dead.
  private func expectLittleDead(in generation: UInt64, _ live: Set<Digest>) throws {
    let folder = "\(path)/packs/\(app.hex)/\(generation)"
    for pack in try files(in: folder) {
      let name = try #require(Digest(hex: String(pack.dropLast(5))))
      let footer = try PackReader("\(folder)/\(pack)", name: name).footer
      let lines = (0..<footer.count).map { footer[$0] }
      let dead = lines.filter { !live.contains($0.id) }.reduce(0) { $0 + Int($1.length) + 45 }
      let all = lines.reduce(132) { $0 + Int($1.length) + 45 }
      #expect(dead < all / 4, "\(dead) of \(all)")
    }
  }

  /// Says that all that must be there is, and nothing that may not be found.
  func expectSound(_ archive: Archive) throws {
    for (epoch, receipt) in zip(epochs, receipts) {
      try archive.expectGood(receipt, of: epoch.leaf)
      #expect(try archive.show(app, epoch: epoch.fields.number).epoch?.leaf == epoch.leaf)
      for (digest, body) in [(epoch.fields.envelope, epoch.envelope), (epoch.fields.veil, epoch.veil)] {
        #expect(try archive.body(digest, app: app, generation: epoch.fields.generation) == body)
      }
    }
    #expect(try archive.body(app, app: app, generation: 0) == application.registration.charter)
    for epoch in retained { try archive.expectWhole(epoch, of: application) }
    for (generation, objects) in objects {
      for id in objects.dead {
        let error = refusal { try archive.storedObjects([id], app: app, generation: generation) }
        #expect(error?.code == .archiveNotFound && error?.message.contains("keeps the application's newest") == true)
      }
    }
  }

  var deadCount: Int { objects.values.reduce(0) { $0 + $1.dead.count } }

  /// Says that no generation takes more of the disk than what it had to keep less than a quarter of the retention ago.
  func expectBounded() throws {
    let since = max(1, epochs.count - (retention - 1) / 4)
    for generation in objects.keys {
      let kept = (since...epochs.count).map { count in
        live(in: generation, after: count).reduce(0) { $0 + 45 + (byteCounts[$1] ?? 0) }
      }
      let largest = try #require(kept.max())
      let byteCount = try diskByteCount(in: generation)
      // A pack of its own has 132 bytes more, and no mark is due before an epoch has left.
      #expect(byteCount <= largest * 5 / 3 + 20 * 132, "\(byteCount) for \(kept) in generation \(generation)")
    }
  }

  private func diskByteCount(in generation: UInt64) throws -> Int {
    let folder = "\(path)/packs/\(app.hex)/\(generation)"
    return try files(in: folder).reduce(0) { sum, name in
      sum + ((try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int) ?? 0)
    }
  }

  /// How many bytes the application's packs have.
  func diskByteCount() throws -> Int {
    let folder = "\(path)/packs/\(app.hex)"
    return try files(in: folder).reduce(0) { sum, name in
      sum + ((try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int) ?? 0)
    }
  }

  /// Lets an object of the first generation rot on the disk.
  ///
  /// - Returns: the pack's file.
  func rot(_ id: Digest) throws -> String {
    let folder = "\(path)/packs/\(app.hex)/1"
    for pack in try files(in: folder) {
      let file = "\(folder)/\(pack)"
      let footer = try PackReader(file, name: try #require(Digest(hex: String(pack.dropLast(5))))).footer
      guard let entry = footer.entry(id) else { continue }
      let handle = try FileHandle(forUpdating: URL(filePath: file))
      defer { try? handle.close() }
      try handle.seek(toOffset: entry.offset)
      let first = try #require(try handle.read(upToCount: 1)?.first)
      try handle.seek(toOffset: entry.offset)
      try handle.write(contentsOf: [first ^ 1])
      return file
    }
    throw POSIXError(.ENOENT)
  }
}
