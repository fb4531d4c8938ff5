public import Core

/// A source that also finds an application's records in its log: an archive by its index, a folder by looking.
///
/// What it shows is as untrusted as everything else of a source: the leaves come with paths, and the reader checks
/// them under the checkpoint, and that under the key of the charter's home.
public protocol Catalog: Source {
  /// Whether it is a copy, which may be older than what this machine has seen without anybody lying.
  var isCopy: Bool { get }

  /// The records of an application.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - epoch: which epoch; nil for the newest that the catalog shows.
  func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords
}

extension Catalog {
  /// False: it is where the log is written.
  public var isCopy: Bool { false }
}

/// An application's records as a catalog shows them, unverified; all paths lead to one checkpoint.
public struct ShownRecords: Hashable, Sendable {
  /// The checkpoint.
  public let note: [UInt8]
  /// The application's charters, oldest first.
  public let charters: [ProvenLeaf]
  /// The epoch; nil where the application has none.
  public let epoch: ProvenLeaf?

  /// Records from outside.
  public init(note: [UInt8], charters: [ProvenLeaf], epoch: ProvenLeaf?) {
    self.note = note
    self.charters = charters
    self.epoch = epoch
  }
}
