import Core
import Index
import Merkle
import Records
import Trust

extension IndexSnapshot {
  /// The leaf at an index, which is what was admitted.
  ///
  /// - Throws: `index.damaged` where it has rotted; `archive.not-found` beyond the log's end.
  func leaf(_ index: UInt64) throws(PosternError) -> [UInt8] {
    guard let entry = try entry(index) else { throw .noSuchPartOfLog }
    return try entry.sound.bytes
  }

  /// The fields of an epoch's record, whose leaf some row names.
  ///
  /// - Throws: `index.damaged` where there is no such record.
  func epochFields(_ index: UInt64) throws(PosternError) -> EpochFields {
    guard case .epoch(let fields) = try Record(parsing: try leaf(index)).fields else {
      throw .damagedIndex("it lacks the record of an epoch")
    }
    return fields
  }

  /// A leaf proven under a checkpoint of some size.
  func proven(_ index: UInt64, treeSize: UInt64) throws(PosternError) -> ProvenLeaf {
    let leaf = try leaf(index)
    do {
      return try ProvenLeaf(index: index, leaf: leaf, treeSize: treeSize) { try tile($0) }
    } catch {
      throw error as? PosternError ?? .noSuchPartOfLog
    }
  }

  /// A receipt: a proof file whose extra line is the leaf.
  func receipt(_ index: UInt64) throws(PosternError) -> [UInt8] {
    guard let checkpoint = try newestCheckpoint() else { throw .noSuchPartOfLog }
    let leaf = try proven(index, treeSize: checkpoint.size)
    return try Receipt(leaf, note: SignedNote(parsing: checkpoint.note)).bytes
  }

  /// An application under the newest checkpoint, with one of its epochs.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: the epoch; nil for the newest.
  /// - Throws: `epoch.unknown-app`, `archive.not-found`.
  func show(_ app: Digest, epoch number: UInt64?) throws(PosternError) -> ShownRecords {
    guard let checkpoint = try newestCheckpoint() else { throw .noSuchPartOfLog }
    guard let application = try application(app) else { throw .unknownApplication(app) }
    var charters: [ProvenLeaf] = []
    for charter in try self.charters(app: app, limit: ProtocolLimits.pageRowCount) {
      charters.append(try proven(charter.index, treeSize: checkpoint.size))
    }
    var epoch = application.epoch?.index
    if let number {
      guard let row = try self.epoch(app: app, number: number) else { throw .noSuchEpoch(number) }
      epoch = row.index
    }
    guard let epoch else { return ShownRecords(note: checkpoint.note, charters: charters, epoch: nil) }
    return ShownRecords(
      note: checkpoint.note, charters: charters, epoch: try proven(epoch, treeSize: checkpoint.size))
  }
}

extension EntryRow {
  /// The row, if its leaf is that of its hash: nothing else is served, proven, or published over a file that is right.
  ///
  /// - Throws: `index.damaged`.
  var sound: EntryRow {
    get throws(PosternError) {
      guard TreeHash.leaf(bytes) == leafHash else { throw .damagedIndex("the record \(index) of the log has rotted") }
      return self
    }
  }
}

extension PosternError {
  fileprivate static func noSuchEpoch(_ number: UInt64) -> PosternError {
    PosternError(
      .archiveNotFound, "The application has no epoch \(number) here.",
      advice: "“postern list” names its epochs, and “postern latest” shows the newest.")
  }
}
