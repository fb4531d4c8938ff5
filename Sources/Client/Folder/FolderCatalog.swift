public import Core
import Dump
import Glibc
public import Merkle
public import Packs
import Records
public import Trust

/// A folder of the one layout as a catalog: what `pull` wrote, or an archive's data folder without its index.
///
/// Records are found by looking through the entry bundles that the folder has, newest first; paths are made of its
/// tiles. A copy need not have the whole log, so "the newest" is the newest that it shows.
public struct FolderCatalog: Catalog {
  /// The folder.
  public let folder: FolderSource

  /// A copy may be old without anybody lying.
  public var isCopy: Bool { true }

  /// Opens a folder to read from; nothing is locked or written.
  ///
  /// - Throws: `folder.none`.
  public static func open(_ path: String) async throws -> FolderCatalog {
    let folder = FolderSource(path)
    do {
      _ = try await folder.checkpoint()
    } catch let error as PosternError where error.code == .sourceAbsent {
      // The log is what a pull writes last.
      let isBegun = access("\(path)/incoming", F_OK) == 0 && access("\(path)/keys", F_OK) != 0
      throw isBegun ? PosternError.unfinishedCopy(path) : PosternError.noCopy(path)
    }
    return FolderCatalog(folder: folder)
  }

  private init(folder: FolderSource) {
    self.folder = folder
  }

  /// Runs what reads from a folder, and says of anything that it lacks, or that is damaged, how to go on.
  ///
  /// - Throws: `folder.incomplete` in place of `source.absent`, `folder.damaged` in place of `source.mismatch`,
  ///   `dump.wrong-id`, `dump.object-length`, and of what a damaged log makes of its checkpoint, tiles and bundles;
  ///   what `body` throws.
  public func reading<Result: Sendable>(
    _ body: @Sendable (FolderCatalog) async throws -> Result
  ) async throws -> Result {
    do {
      return try await body(self)
    } catch let error as PosternError where error.code == .sourceAbsent {
      throw PosternError.incomplete(
        folder.path, error.message, isDataFolder: isDataFolder, unusable: folder.unusablePacks)
    } catch let error as PosternError {
      guard let damage = FolderDamage(error) else { throw error }
      throw PosternError.damagedCopy(folder.path, damage, isDataFolder: isDataFolder)
    }
  }

  /// Whether the folder is an archive's own, or a copy of one, as far as its names say.
  public var isDataFolder: Bool { (try? folder.isDataFolder()) ?? false }

  /// The records of an application, by looking through the log.
  ///
  /// - Throws: `source.absent` for an epoch, or a tile of a path, that the folder lacks; `log.*` for a log that is
  ///   damaged; `storage.*`.
  public func show(_ app: Digest, epoch number: UInt64?) async throws -> ShownRecords {
    let note = try await folder.checkpoint()
    // Read before it is verified: the charter that names the log's key is what is being looked for.
    let size = try Checkpoint(parsing: SignedNote(parsing: note).text).size
    let found = try await records(of: app, epoch: number, size)
    if let number, found.epoch == nil {
      throw PosternError(
        .sourceAbsent, "The folder “\(folder.path)” shows no epoch \(number) of the application.",
        advice: "Pull that epoch into it, or ask for the newest.")
    }
    var charters: [ProvenLeaf] = []
    for charter in found.charters { charters.append(try await proven(charter, size)) }
    var epoch: ProvenLeaf?
    if let found = found.epoch { epoch = try await proven(found, size) }
    return ShownRecords(note: note, charters: charters, epoch: epoch)
  }

  typealias Leaf = (index: UInt64, bytes: [UInt8])

  /// An application's charters and an epoch: of several with the number, the last; nobody has verified any.
  private func records(
    of app: Digest, epoch number: UInt64?, _ size: UInt64
  ) async throws -> (charters: [Leaf], epoch: Leaf?) {
    var (charters, epoch): ([Leaf], Leaf?) = ([], nil)
    // Only the bundles that are there: whoever made up the size could have the search go on for ever.
    for place in try await folder.bundles().reversed() {
      for leaf in try await leaves(ofBundle: place, size).reversed() where RecordHead(leaf.bytes)?.app == app {
        guard let record = try? Record(parsing: leaf.bytes) else { continue }
        switch record.fields {
        case .charter: charters.insert(leaf, at: 0)
        case .epoch(let fields) where epoch == nil && (number == nil || fields.number == number): epoch = leaf
        default: break
        }
      }
      // The charter stands before every epoch: an application without this one has nothing before its charter.
      if !charters.isEmpty { break }
    }
    return (charters, epoch)
  }

  /// The entries of a bundle of a log of some size; none where the folder, or the log, does not have it.
  func leaves(ofBundle index: UInt64, _ size: UInt64) async throws -> [Leaf] {
    guard let coordinate = BundleCoordinate(index: index, treeSize: size) else { return [] }
    do {
      let bundle = try EntryBundle(parsing: try await folder.entries(coordinate), width: coordinate.width)
      return zip(coordinate.entryNumbers, bundle.entries).map { (index: $0, bytes: $1) }
    } catch let error as PosternError where error.code == .sourceAbsent {
      return []
    }
  }

  private func proven(_ leaf: Leaf, _ size: UInt64) async throws -> ProvenLeaf {
    let tiles = try await folder.tiles(try ProofPlan(inclusionOf: leaf.index, treeSize: size).tiles)
    return try ProvenLeaf(index: leaf.index, leaf: leaf.bytes, treeSize: size) { tiles[$0] ?? [] }
  }
}

extension FolderCatalog {
  /// The folder's newest checkpoint's note.
  public func checkpoint() async throws -> [UInt8] { try await folder.checkpoint() }

  /// A tile, as the folder has it.
  public func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await folder.tile(coordinate) }

  /// A bundle of entries, as the folder has it.
  public func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { try await folder.entries(coordinate) }

  /// A body, as the folder has it.
  public func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    try await folder.body(app: app, generation: generation, digest: digest)
  }

  /// Objects, as the folder has them.
  public func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await folder.objects(query, receive: receive)
  }
}

/// The first fields of a leaf, by which most entries of a log are passed over.
struct RecordHead {
  let app: Digest

  init?(_ leaf: [UInt8]) {
    // Format, kind, application.
    guard leaf.count >= 2 + Digest.byteCount, let app = Digest(leaf[2..<2 + Digest.byteCount]) else { return nil }
    self.app = app
  }
}
