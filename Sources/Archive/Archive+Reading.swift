import Bulk
public import Core
public import Index
public import Merkle
import Packs
import Records
public import Trust

extension Archive {
  // MARK: The log

  /// The newest committed checkpoint's note.
  public func checkpoint() throws(PosternError) -> [UInt8] {
    let newest = try index.read { (snapshot) throws(PosternError) in try snapshot.newestCheckpoint() }
    guard let newest else { throw .noSuchPartOfLog }
    return newest.note
  }

  /// A tile of hashes, as wide as it is asked for.
  public func tile(_ coordinate: TileCoordinate) throws(PosternError) -> [UInt8] {
    try index.tile(coordinate)
  }

  /// A bundle of entries, as wide as it is asked for.
  public func bundle(_ coordinate: BundleCoordinate) throws(PosternError) -> [UInt8] {
    try index.bundle(coordinate).bytes
  }

  /// A leaf's receipt under the newest checkpoint.
  func receipt(_ leafIndex: UInt64) throws(PosternError) -> [UInt8] {
    try index.read { (snapshot) throws(PosternError) in try snapshot.receipt(leafIndex) }
  }

  // MARK: Applications

  /// What the archive shows of an application: its charters, and its newest epoch or the one asked for.
  ///
  /// - Throws: `epoch.unknown-app`, `archive.not-found`.
  public func show(_ app: Digest, epoch number: UInt64? = nil) throws(PosternError) -> ShownRecords {
    try index.read { (snapshot) throws(PosternError) in try snapshot.show(app, epoch: number) }
  }

  /// Epochs of an application, newest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: only epochs before this one.
  ///   - limit: at most a page and one more, which says whether there is another page; a larger limit counts as
  ///     that.
  public func epochs(app: Digest, before number: UInt64?, limit: Int) throws(PosternError) -> [EpochRow] {
    try index.read { (snapshot) throws(PosternError) in
      try snapshot.epochs(app: app, before: number, limit: min(limit, ArchiveIndex.pageLimit))
    }
  }

  /// Epochs of all applications that were sealed under one recovery policy, newest first.
  ///
  /// - Parameters:
  ///   - policy: digest of the policy's encoding.
  ///   - index: only epochs whose leaf stands before this one.
  ///   - limit: as of an application's.
  public func epochs(policy: Digest, before index: UInt64?, limit: Int) throws(PosternError) -> [EpochRow] {
    try self.index.read { (snapshot) throws(PosternError) in
      try snapshot.epochs(policy: policy, before: index, limit: min(limit, ArchiveIndex.pageLimit))
    }
  }

  // MARK: Objects

  /// A body: a charter, its signatures, an envelope, a veil or a capsule.
  ///
  /// - Throws: `archive.not-found`, `storage.*`, `pack.*`.
  public func body(_ digest: Digest, app: Digest, generation: UInt64) throws(PosternError) -> [UInt8] {
    do throws(PosternError) {
      return try objects.body(digest, in: Space(app: app, generation: generation))
    } catch let error where error.code == .archiveNotFound {
      throw try collected(app: app, generation: generation) ?? error
    }
  }

  /// A reader of objects of admitted epochs, in the order in which they lie in the packs.
  ///
  /// - Parameters:
  ///   - ids: at most ``Core/ProtocolLimits/requestedIdCount``.
  ///   - app: the application.
  ///   - generation: the generation; 0 for charters and their signatures.
  /// - Throws: `archive.not-found` for the first that is not here, `archive.request`.
  public func objects(_ ids: [Digest], app: Digest, generation: UInt64) throws(PosternError) -> ObjectReader {
    guard ids.count <= ProtocolLimits.requestedIdCount else { throw .tooMuchAsked(ProtocolLimits.requestedIdCount) }
    do throws(PosternError) {
      return try ObjectReader(ids, in: Space(app: app, generation: generation), objects)
    } catch let error where error.code == .archiveNotFound {
      throw try collected(app: app, generation: generation) ?? error
    }
  }

  /// Why an object is not here that may have been collected; nil where nothing of the generation may have been.
  private func collected(app: Digest, generation: UInt64) throws(PosternError) -> PosternError? {
    guard generation > 0, let retention = try charters.retention(of: app, in: objects),
      let expired = retention.expiredEpoch
    else { return nil }
    let isOlder = try index.read { (snapshot) throws(PosternError) in
      try snapshot.generation(app: app, number: generation).map { $0.firstEpoch <= expired } ?? false
    }
    return isOlder ? .collected(retention) : nil
  }
}

extension ObjectFinder {
  /// A body, checked against its digest.
  ///
  /// - Throws: `archive.not-found`, `storage.*`, `pack.*`.
  func body(_ digest: Digest, in space: Space) throws(PosternError) -> [UInt8] {
    var reader = try ObjectReader([digest], in: space, self)
    guard let batch = reader.nextBatch() else { throw .lacking(digest) }
    var bytes = [UInt8](repeating: 0, count: batch.byteCount)
    try bytes.withMutableRawBytes { (memory) throws(PosternError) in try reader.read(batch, into: memory) }
    guard SHA256.hash(bytes) == digest else {
      throw PosternError(
        .packObjectDamaged, "The body \(digest) has rotted: its bytes are not those of its digest.",
        advice: "Restore its pack from an archive or a copy that holds it.")
    }
    return bytes
  }
}

extension PosternError {
  /// An object that no retained epoch needs, so that it may have been collected.
  fileprivate static func collected(_ retention: Retention) -> PosternError {
    let kept = retention.epochCount == 1 ? "newest epoch" : "newest \(retention.epochCount) epochs"
    return PosternError(
      .archiveNotFound,
      "The archive does not hold this any more: the charter keeps the application's \(kept), and what the epochs before "
        + "\(retention.newestEpoch - retention.epochCount + 1) alone needed was collected.",
      advice: "Take one of the epochs that are kept, or recover this one from a folder that it was pulled into.")
  }
}
