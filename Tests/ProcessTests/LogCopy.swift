import Bulk
import Client
import Core
import Foundation
import Merkle
import Records
import Trust

/// All entries of a log as its server shows them, checked against its newest checkpoint.
struct LogCopy {
  /// What did not hold.
  struct Finding: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
  }

  let newest: SignedCheckpoint
  let entries: [[UInt8]]
  /// The root at each size, from 0.
  private let roots: [Digest]

  /// Reads a log whole.
  ///
  /// - Throws: when what is shown does not verify.
  init(of log: NoteVerifier, from source: some Source) async throws {
    newest = try SignedCheckpoint(parsing: await source.checkpoint(), log: log)
    var entries: [[UInt8]] = []
    var roots = [TreeHash.empty]
    var tree = Tree()
    let size = newest.checkpoint.size
    for number in 0..<(size + 255) / 256 {
      guard let bundle = BundleCoordinate(index: number, treeSize: size) else { continue }
      let bytes = try await source.entries(bundle)
      for entry in try EntryBundle(parsing: bytes, width: bundle.width).entries {
        entries.append(entry)
        roots.append(tree.append([TreeHash.leaf(entry)]).root)
      }
    }
    self.entries = entries
    self.roots = roots
    try require(newest)
  }

  /// Says that the log continues a checkpoint.
  func require(_ older: SignedCheckpoint) throws {
    let checkpoint = older.checkpoint
    guard checkpoint.size < roots.count, roots[Int(checkpoint.size)] == checkpoint.root else {
      throw Finding("The log of \(entries.count) entries does not continue its checkpoint of size \(checkpoint.size).")
    }
  }

  /// Says that a receipt verifies, that the log continues its checkpoint, and that its record is the entry that it
  /// names.
  ///
  /// - Returns: its checkpoint.
  @discardableResult
  func require(_ receipt: Receipt, of log: NoteVerifier) throws -> SignedCheckpoint {
    let checkpoint = try receipt.verify(log: log)
    try require(checkpoint)
    try requireEntry(of: receipt)
    return checkpoint
  }

  /// Says that a receipt's record is the entry that it names.
  func requireEntry(of receipt: Receipt) throws {
    let index = Int(receipt.proven.index)
    guard index < entries.count, entries[index] == receipt.proven.leaf else {
      throw Finding("Entry \(index) is not what its receipt says.")
    }
  }

  /// An epoch's record and its place.
  struct Epoch {
    let index: UInt64
    let record: Record
    let fields: EpochFields
  }

  /// The epoch records of each application, in the log's order.
  ///
  /// - Parameter start: the entry from which on.
  func epochs(from start: Int) throws -> [Digest: [Epoch]] {
    try entries[start...].enumerated().reduce(into: [:]) { epochs, entry in
      let record = try Record(parsing: entry.element)
      guard case .epoch(let fields) = record.fields else { return }
      epochs[record.app, default: []].append(
        Epoch(index: UInt64(start + entry.offset), record: record, fields: fields))
    }
  }

  /// Says that the files under `log/` are what the server shows, once what it answered last is on show.
  func requirePublished(in data: String) throws {
    func file(_ path: LogPath) throws -> [UInt8] {
      Array(try Data(contentsOf: URL(filePath: "\(data)/log/\(path.text)")))
    }
    let deadline = ContinuousClock.now + .seconds(30)
    while try file(.checkpoint) != newest.note.bytes {
      guard ContinuousClock.now < deadline else { throw Finding("The published checkpoint is not the newest.") }
      Thread.sleep(forTimeInterval: 0.01)
    }
    let size = newest.checkpoint.size
    for number in 0..<(size + 255) / 256 {
      guard let bundle = BundleCoordinate(index: number, treeSize: size) else { continue }
      let published = try EntryBundle(parsing: try file(.entries(bundle)), width: bundle.width).entries
      guard published.elementsEqual(entries[Int(number) * 256..<min(entries.count, Int(number + 1) * 256)]) else {
        throw Finding("The published bundle \(number) is not what the server shows.")
      }
    }
  }
}

extension ArchiveConnection {
  /// Every epoch of an application that the archive lists, oldest first.
  func allEpochs(of app: Digest) async throws -> [EpochSummary] {
    var epochs: [EpochSummary] = []
    var page: [UInt8]?
    repeat {
      let answer = try await list(app: app, after: page, limit: 1_000)
      epochs += answer.epochs
      page = answer.next
    } while page != nil
    return epochs.reversed()
  }

  /// SHA-256 of an epoch's state, recovered through the KMS door.
  ///
  /// - Parameters:
  ///   - number: which epoch; nil for the newest.
  ///   - key: the text of the KMS's key.
  ///   - path: where the state goes meanwhile.
  func stateDigest(of app: Digest, epoch number: UInt64?, key: [UInt8], path: String) async throws -> Digest {
    let sealed = try await sealedEpoch(of: try await verified(app: app, epoch: number, memory: nil))
    let opening = try KMSDoorOpener.open(sealed, key: RestlessUploader.key(key))
    let options = RecoverOptions(output: .file(path: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try await Recoverer.recover(options, opening: opening, capsule: sealed.capsule, from: self)
    return SHA256.hash(Array(try Data(contentsOf: URL(filePath: path))))
  }
}
