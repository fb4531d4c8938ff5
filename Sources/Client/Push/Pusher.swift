import Core
import Dump
import Merkle
import Records
import Sodium
import Trust

/// Pushes a state as an application's next epoch.
public enum Pusher {
  /// Pushes.
  ///
  /// Secrets of a new generation are on this machine's disk before the first upload, and the signed record before
  /// it is sent. A push that was cut off is simply run again: it sends what the archive lacks, and one that had
  /// been admitted gets its receipt. One that was finished, run again with the same state version, publishes nothing
  /// and gets the receipt that it got.
  ///
  /// - Parameters:
  ///   - options: what is pushed, and how.
  ///   - key: the uploader's key.
  ///   - archive: the application's home.
  ///   - progress: told after every piece; it should be quick.
  /// - Throws: `push.*`, `epoch.*`, `state.*`, `log.*`, `view.*`, `wire.*`, and whatever else the archive refuses with.
  public static func push(
    _ options: PushOptions, key: borrowing KeyFile, over archive: ArchiveConnection,
    progress: @escaping @Sendable (PushProgress) -> Void = { _ in }
  ) async throws -> PushReport {
    let folder = try StateFolder.open(at: options.statePath, app: options.app, key: key)
    let input = try await StateInput.open(options.input, expectedByteCount: options.expectedByteCount)
    let meter = PushMeter(totalByteCount: input.byteCount, report: progress)
    let signing = try key.signingKey()
    var application = try await archive.verified(app: options.app, memory: folder.memory)
    try application.charter.requireUploader(signing.verificationKey)
    let settled = try await settlePending(in: folder, over: archive, application)
    // What was settled just now may be the newest epoch.
    if settled != nil { application = try await archive.verified(app: options.app, memory: folder.memory) }
    let plan = try PushPlan(options, application: application)
    let generation = try generation(for: plan, in: folder)
    let push = try await plan.begin(generation: generation.held.number, input, archive, signedBy: key.signingKey())
    let cache = folder.newCache(of: generation.held, chunker: application.charter.chunker)
    let sending = Sending(
      input: input, chunker: application.charter.chunker, cache: cache,
      uploader: WindowUploader(archive: archive, push: push, meter: meter))
    let known = folder.knownChunks(of: generation.held, in: application)
    let root = try await send(sending, of: generation.held, in: folder, known: known)

    if let newest = plan.repeated(root: root.id, by: signing.verificationKey, settled: settled) {
      let repeated = try again(newest, of: application, in: folder)
      cache.finish(newest.seen)
      await push.abandon()
      meter.enter(.done)
      return repeated.report(meter.progress, after: nil, isRepeat: true)
    }
    let remembered = try folder.memory.newest(of: application.charter.home)
    let (pending, receipt) = try await publish(
      root, sending, plan.sealer(of: input.contentKind), in: generation.held, folder, signedBy: signing,
      isCacheUsed: known != nil)
    let admitted = try await accept(
      receipt, of: pending, in: folder, over: archive, application, remembered, opening: generation.opening)
    cache.finish(admitted.seen)
    meter.enter(.done)
    return admitted.report(meter.progress, after: application.epoch?.fields)
  }

  /// What every reading of the state goes through.
  private struct Sending {
    let input: StateInput
    let chunker: ChunkerParameters
    let cache: FingerprintCacheWriter
    let uploader: WindowUploader

    var meter: PushMeter { uploader.meter }

    func handIn(_ pending: PendingEpoch) async throws -> Receipt {
      try await uploader.push.withToken { try await uploader.archive.seal(pending, of: $0) }
    }
  }

  /// Reads, seals and sends the state.
  ///
  /// - Parameter known: chunks that the archive holds already, and that are neither sealed nor asked for.
  private static func send(
    _ sending: Sending, of generation: borrowing HeldGeneration, in folder: borrowing StateFolder, known: KnownChunks?
  ) async throws -> ObjectReference {
    // Cuts that cost something are foreseen, one chunk after the other; otherwise chunks are looked up on all cores.
    let foresees = sending.chunker.cutsByContent
    let cutter = StateCutter(
      sending.chunker, secret: generation.secret, fingerprintKey: folder.fingerprintKey(of: generation),
      known: foresees ? known : nil)
    let sealer = PieceSealer(
      secret: generation.secret, chunker: sending.chunker, fingerprintKey: folder.fingerprintKey(of: generation),
      known: foresees ? nil : known)
    let sender = DumpSender(
      input: sending.input, secret: generation.secret, chunker: sending.chunker, cutter: cutter, sealer: sealer,
      cache: sending.cache, uploader: sending.uploader, meter: sending.meter)
    let root = try await sender.send()
    try await sending.input.requireWhole()
    return root
  }

  /// Seals an epoch and hands it in; the state is read once more where the archive turns out to lack a part of it.
  ///
  /// Handing an epoch in twice is safe, since the second time is a repeat.
  ///
  /// - Parameters:
  ///   - root: the dump's root, as it was sent.
  ///   - isCacheUsed: whether some of the dump was taken to be there already.
  /// - Returns: the epoch that was admitted, and its receipt, unverified.
  private static func publish(
    _ root: ObjectReference, _ sending: Sending, _ sealer: EpochSealer, in generation: borrowing HeldGeneration,
    _ folder: borrowing StateFolder, signedBy signing: borrowing SigningKey, isCacheUsed: Bool
  ) async throws -> (PendingEpoch, Receipt) {
    sending.meter.enter(.sealing)
    var pending = try sealer.seal(root: root, in: generation, signedBy: signing)
    try keep(pending, in: folder, sending.cache)
    do {
      return (pending, try await sending.handIn(pending))
    } catch let error as PosternError where error.code == .pushIncomplete {
      // A restart lost what it had not recorded yet, or it lacks what the cache takes it to hold.
      folder.forgetCache()
      let again = try await sendAgain(sending, of: generation, in: folder)
      if again.id != root.id {
        // What an older compressor made has other ids now; without a cache, the same state is the same root.
        guard isCacheUsed else { throw sending.input.changed }
        pending = try sealer.seal(root: again, in: generation, signedBy: signing)
        try keep(pending, in: folder, sending.cache)
      }
      return (pending, try await sending.handIn(pending))
    }
  }

  /// Keeps an epoch that is about to be handed in; the cache makes room for it where the disk is full.
  private static func keep(
    _ pending: PendingEpoch, in folder: borrowing StateFolder, _ cache: FingerprintCacheWriter
  ) throws(PosternError) {
    do throws(PosternError) {
      try folder.keep(pending)
    } catch let error where error.code == .storageFull {
      cache.giveUp()
      try folder.keep(pending)
    }
  }

  /// Reads the state once more, and seals all of it.
  private static func sendAgain(
    _ sending: Sending, of generation: borrowing HeldGeneration, in folder: borrowing StateFolder
  ) async throws -> ObjectReference {
    guard try sending.input.rewind() else { throw PosternError.unrepeatablePush }
    sending.meter.rewind()
    folder.restart(sending.cache)
    let root = try await send(sending, of: generation, in: folder, known: nil)
    sending.meter.enter(.sealing)
    return root
  }

  /// Asks whether an epoch that was sent before, and whose receipt never came, was admitted.
  ///
  /// It is forgotten only where the archive says that it was not and never will be: another answer may come while that
  /// very record is being sealed.
  ///
  /// - Returns: the epoch's number; nil where there is none, or it was not admitted.
  private static func settlePending(
    in folder: borrowing StateFolder, over archive: ArchiveConnection, _ application: VerifiedApplication
  ) async throws -> UInt64? {
    guard let pending = try folder.pending() else { return nil }
    let remembered = try folder.memory.newest(of: application.charter.home)
    let receipt: Receipt
    do {
      receipt = try await archive.retry.whileUnavailable { try await archive.seal(pending, of: nil) }
    } catch let error as PosternError where error.code == .epochNotAdmitted {
      try folder.forgetPending()
      return nil
    }
    let admitted = try await accept(
      receipt, of: pending, in: folder, over: archive, application, remembered, opening: nil)
    return admitted.fields.number
  }

  /// An epoch that this push would only say again, with the receipt that the folder keeps.
  ///
  /// Where that is gone, or is damaged, what the archive shows of the epoch is a receipt as good.
  private static func again(
    _ newest: VerifiedEpoch, of application: VerifiedApplication, in folder: borrowing StateFolder
  ) throws(PosternError) -> AdmittedEpoch {
    let number = newest.fields.number
    let home = application.charter.home
    let path: String
    let receipt: Receipt
    if let kept = folder.receipt(ofEpoch: number), kept.proven.leaf == newest.proven.leaf,
      (try? kept.verify(log: home)) != nil
    {
      (path, receipt) = (folder.receiptPath(ofEpoch: number), kept)
    } else {
      receipt = try newest.receipt(under: application.checkpoint)
      path = try folder.keep(receipt, ofEpoch: number)
    }
    return AdmittedEpoch(
      app: folder.app, fields: newest.fields, leafHash: newest.leafHash, leafIndex: receipt.proven.index,
      checkpointSize: try receipt.verify(log: home).checkpoint.size, receiptPath: path, opening: nil)
  }

  /// Verifies an epoch's receipt and keeps it.
  private static func accept(
    _ receipt: Receipt, of pending: PendingEpoch, in folder: borrowing StateFolder,
    over archive: ArchiveConnection, _ application: VerifiedApplication, _ remembered: SignedCheckpoint?,
    opening: GenerationOpening?
  ) async throws -> AdmittedEpoch {
    let home = application.charter.home
    let checkpoint = try receipt.verify(log: home)
    let fields = try pending.admittedFields(in: receipt)
    try await folder.memory.advance(to: checkpoint, from: remembered, of: home, reading: archive)
    let leafHash = TreeHash.leaf(receipt.proven.leaf)
    try await folder.memory.advance(
      to: SeenEpoch(number: fields.number, leafHash: leafHash), from: nil, of: folder.app)
    let path = try folder.keep(receipt, ofEpoch: fields.number)
    try folder.forgetPending()
    return AdmittedEpoch(
      app: folder.app, fields: fields, leafHash: leafHash, leafIndex: receipt.proven.index,
      checkpointSize: checkpoint.checkpoint.size, receiptPath: path, opening: opening)
  }

  /// The generation to push in; a new one's secrets are on the disk when this returns.
  private static func generation(
    for plan: PushPlan, in folder: borrowing StateFolder
  ) throws(PosternError) -> PushGeneration {
    var number = plan.nextGeneration
    var holding: GenerationChoice.Holding?
    if let held = try folder.generation() {
      let known = GenerationChoice.Holding(held)
      switch plan.choose(known) {
      case .held: return PushGeneration(opening: plan.opening(of: held.number, instead: known), held: held)
      case .opening(let next): (number, holding) = (next, known)
      }
    }
    let opened = HeldGeneration(opening: number, app: folder.app, charter: plan.application.charter)
    try folder.keep(opened)
    return PushGeneration(opening: plan.opening(of: number, instead: holding), held: opened)
  }
}

/// The generation that a push is in.
private struct PushGeneration: ~Copyable {
  /// Why it is another than the newest epoch's; nil where it is not.
  let opening: GenerationOpening?
  let held: HeldGeneration
}

extension PosternError {
  /// The archive lost a part of a push whose state cannot be read again.
  fileprivate static let unrepeatablePush = PosternError(
    .pushIncomplete, "The archive was restarted and lost a part of what was sent, and a pipe is not read twice.",
    advice: "Run the push again with the same state; what the archive still has is not sent again.")
}
