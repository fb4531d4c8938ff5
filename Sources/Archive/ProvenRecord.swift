public import Core
import Index
import Merkle
import Records

/// A leaf with its audit path to the root of some checkpoint.
public struct ProvenRecord: Sendable {
  /// The leaf's place in the log, from 0.
  public let index: UInt64
  /// The leaf.
  public let leaf: [UInt8]
  /// The audit path, leaf to root.
  public let path: [Digest]
}

/// What the archive shows of an application: all under one checkpoint.
public struct ShownApplication: Sendable {
  /// The checkpoint's note.
  public let checkpoint: [UInt8]
  /// The application's charter line, oldest first.
  public let charters: [ProvenRecord]
  /// The epoch that was asked for; nil where the application has none yet.
  public let epoch: ProvenRecord?
}

extension IndexSnapshot {
  /// The fields of an epoch's record, whose leaf some row names.
  ///
  /// - Throws: `index.damaged` where there is no such record.
  func epochFields(_ index: UInt64) throws(PosternError) -> EpochFields {
    guard let entry = try entry(index), case .epoch(let fields) = try Record(parsing: entry.bytes).fields else {
      throw .damagedIndex("it lacks the record of an epoch")
    }
    return fields
  }

  /// A leaf proven under a checkpoint of some size.
  func proven(_ index: UInt64, treeSize: UInt64) throws(PosternError) -> ProvenRecord {
    guard let entry = try entry(index) else { throw .noSuchPartOfLog }
    let plan = try ProofPlan(inclusionOf: index, treeSize: treeSize)
    var tiles: [TileCoordinate: [UInt8]] = [:]
    for coordinate in plan.tiles { tiles[coordinate] = try tile(coordinate) }
    let outcome = Result { try plan.hashes { tiles[$0] ?? [] } }
    guard let path = try? outcome.get() else { throw .noSuchPartOfLog }
    return ProvenRecord(index: index, leaf: entry.bytes, path: path)
  }

  /// A receipt: a proof file whose extra line is the leaf.
  func receipt(_ index: UInt64) throws(PosternError) -> [UInt8] {
    guard let checkpoint = try newestCheckpoint() else { throw .noSuchPartOfLog }
    let record = try proven(index, treeSize: checkpoint.size)
    let note = try SignedNote(parsing: checkpoint.note)
    return try TlogProof(extra: record.leaf, index: index, path: record.path, note: note).bytes
  }

  /// An application under the newest checkpoint, with one of its epochs.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: the epoch; nil for the newest.
  /// - Throws: `epoch.unknown-app`, `archive.not-found`.
  func show(_ app: Digest, epoch number: UInt64?) throws(PosternError) -> ShownApplication {
    guard let checkpoint = try newestCheckpoint() else { throw .noSuchPartOfLog }
    guard let application = try application(app) else { throw .unregistered }
    var charters: [ProvenRecord] = []
    for charter in try self.charters(app: app, limit: ArchiveLimits.pageRows) {
      charters.append(try proven(charter.index, treeSize: checkpoint.size))
    }
    var epoch = application.epoch?.index
    if let number {
      guard let row = try self.epoch(app: app, number: number) else { throw .noSuchEpoch(number) }
      epoch = row.index
    }
    guard let epoch else { return ShownApplication(checkpoint: checkpoint.note, charters: charters, epoch: nil) }
    return ShownApplication(
      checkpoint: checkpoint.note, charters: charters, epoch: try proven(epoch, treeSize: checkpoint.size))
  }
}

extension PosternError {
  /// The log knows no such application.
  static let unregistered = PosternError(
    .epochUnknownApplication, "This archive knows no such application.",
    advice: "Check the application's id and the archive's address.")

  fileprivate static func noSuchEpoch(_ number: UInt64) -> PosternError {
    PosternError(
      .archiveNotFound, "The application has no epoch \(number) here.",
      advice: "Ask for the list of its epochs, or leave the number out for the newest.")
  }
}
