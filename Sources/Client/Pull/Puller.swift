import Bulk
import Core
import Envelope
import Merkle
import Packs
import Records
public import Trust

/// Copies an epoch's sealed objects, and what proves them, into a folder of the one layout, without any key.
///
/// The order of the writes is what makes a folder honest (`Schema/storage.md`): the charter's bodies, then chunks,
/// nodes, envelope and veil, then the capsule, each pack durable before the next; then tiles and bundles, and the
/// checkpoint last. Nobody but this epoch names its capsule: a folder that has the capsule had all of the epoch.
public enum Puller {
  /// Pulls.
  ///
  /// Run again after an interruption, or for a later epoch, it fetches what the folder lacks.
  ///
  /// - Parameters:
  ///   - options: what is copied, and where to.
  ///   - archive: where from; it need not be trusted.
  ///   - memory: what this machine saw of logs before; nil to remember nothing.
  ///   - progress: told after every piece; it should be quick.
  /// - Throws: `folder.*`, `view.*`, `log.*`, `source.*`, `dump.*`, `storage.*`, `pack.*`, `wire.*`. What was fetched
  ///   by then stays, as far as the disk took it.
  public static func pull(
    _ options: PullOptions, from archive: some Catalog, memory: CheckpointMemory? = nil,
    progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
  ) async throws -> PullReport {
    let meter = PullMeter(report: progress)
    // Before the archive is asked: what another pull shows there meanwhile may be newer than its answer.
    let note = try? await FolderSource(options.path).checkpoint()
    let application = try await archive.verified(app: options.app, epoch: options.epoch, memory: memory)
    guard options.epoch == nil, let newest = application.epoch?.fields.number else {
      return try await pull(application, options, after: note, from: archive, memory: memory, meter)
    }
    return try await archive.readingNewest(newest, of: options.app) {
      try await pull(application, options, after: note, from: archive, memory: memory, meter)
    }
  }

  private static func pull(
    _ application: VerifiedApplication, _ options: PullOptions, after note: [UInt8]?, from archive: some Catalog,
    memory: CheckpointMemory?, _ meter: PullMeter
  ) async throws -> PullReport {
    let sealed = try await archive.sealedEpoch(of: application)
    let copy = try CopyFolder.open(at: options.path)
    let folder = FolderSource(options.path)
    let number = sealed.epoch.fields.number
    var leaves = [application.charterLeaf.index, sealed.epoch.proven.index]
    // Whoever checks the epoch checks that it follows the one before.
    if number > 1 {
      leaves.append(try await archive.epoch(number - 1, of: application, memory: memory).proven.index)
    }
    let home = application.charter.home
    let log = LogExtract(
      application.checkpoint, of: home, from: archive, folder: folder, into: copy, memory: memory,
      checksHeld: options.checksHeld)
    try await log.requireContinuing(after: note)
    try await copyCharter(of: application, to: folder, copy, meter)
    try await copyEpoch(sealed, options, from: archive, to: folder, copy, meter)
    try await log.publish(leaves)
    return PullReport(application: application, epoch: sealed.epoch, traffic: meter.progress)
  }

  private static func copyCharter(
    of application: VerifiedApplication, to folder: FolderSource, _ copy: CopyFolder, _ meter: PullMeter
  ) async throws {
    let app = application.app
    var writer = CopyWriter(into: copy, app: app, generation: 0)
    let bodies = [(app, application.charterBody), (application.signaturesDigest, application.signaturesBody)]
    for (id, body) in bodies {
      let isFetched = try await !folder.holdsSound(body: id, app: app, generation: 0)
      if isFetched { try writer.append(body, id: id, kind: .body) }
      meter.add(body: body, isFetched: isFetched)
    }
    if let name = try writer.finish() { try await folder.notice(name, app: app, generation: 0, isPlaced: true) }
  }

  private static func copyEpoch(
    _ sealed: SealedEpoch, _ options: PullOptions, from archive: some Source, to folder: FolderSource,
    _ copy: CopyFolder, _ meter: PullMeter
  ) async throws {
    let fields = sealed.epoch.fields
    var copier = DumpCopier(
      root: fields.root, rootByteCount: Int(fields.rootByteCount), app: options.app, generation: fields.generation,
      from: archive, to: folder, through: CopyWriter(into: copy, app: options.app, generation: fields.generation),
      checksHeld: options.checksHeld, meter: meter)
    do {
      try await copier.run()
      // The capsule is the last, since it says that all the rest is there.
      for (id, body) in [
        (fields.envelope, sealed.envelopeBody), (fields.veil, sealed.veil.bytes), (fields.capsule, sealed.capsule),
      ] {
        let isFetched = try await !folder.holdsSound(body: id, app: options.app, generation: fields.generation)
        if isFetched { try copier.append(body, id: id) }
        meter.add(body: body, isFetched: isFetched)
      }
    } catch {
      // The next run finds what came until now; a disk that refuses that, too, is no news.
      try? await copier.keep()
      throw error
    }
    try await copier.keep()
    try await mend(copier.damaged, of: options.app, fields.generation, in: folder, copy)
  }

  /// Writes the packs anew that hold damaged objects, whose good copies are in another pack by now.
  private static func mend(
    _ damaged: [Digest], of app: Digest, _ generation: UInt64, in folder: FolderSource, _ copy: CopyFolder
  ) async throws {
    var mended: Set<Digest> = []
    for id in damaged {
      for name in try await folder.packs(holding: id, app: app, generation: generation) where !mended.contains(name) {
        guard try await !folder.isSound(id, in: name, app: app, generation: generation) else { continue }
        let new = try copy.mend(name, app: app, generation: generation)
        try await folder.notice(name, app: app, generation: generation, isPlaced: false)
        if let new { try await folder.notice(new, app: app, generation: generation, isPlaced: true) }
        mended.insert(name)
      }
    }
  }
}

extension VerifiedApplication {
  /// The digest of the members' signatures, as the charter's record names it.
  fileprivate var signaturesDigest: Digest { SHA256.hash(signaturesBody) }
}
