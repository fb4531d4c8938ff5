import Bulk
public import Core
import Records

/// The newest epoch of an application that this machine saw.
///
/// An epoch that is older than it can be proven to be in the log, under the newest checkpoint; that there is a newer
/// one, only this memory says while no log proves it. So an archive that shows less than it did is refused, and an
/// uploader never signs a second record for a number that it has seen taken.
public struct SeenEpoch: Hashable, Sendable {
  /// Its number, from 1.
  public let number: UInt64
  /// RFC 6962 hash of its leaf.
  public let leafHash: Digest

  private static let format: UInt8 = 1
  static let byteCount = 1 + 8 + Digest.byteCount

  /// An epoch that was seen, proven.
  public init(number: UInt64, leafHash: Digest) {
    self.number = number
    self.leafHash = leafHash
  }

  init?(parsing bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard let format = try? reader.read(UInt8.self), format == SeenEpoch.format,
      let number = try? reader.read(UInt64.self), let leafHash = try? reader.readDigest(), reader.remaining == 0
    else { return nil }
    self.init(number: number, leafHash: leafHash)
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = [SeenEpoch.format]
    bytes.append(bigEndian: number)
    bytes.append(leafHash)
    return bytes
  }
}

extension CheckpointMemory {
  /// The newest epoch of an application that was seen; nil where none was.
  ///
  /// Read before an archive is asked, so that a process beside this one, asking later, cannot make its answer look old.
  ///
  /// - Throws: `storage.*`, `state.malformed`.
  public func newestEpoch(of app: Digest) throws(PosternError) -> SeenEpoch? {
    let path = path(of: app)
    guard let bytes = try StateFiles.read(path, byteCountLimit: SeenEpoch.byteCount) else { return nil }
    guard let seen = SeenEpoch(parsing: bytes) else { throw .memoryMalformed(path, of: "the newest epoch") }
    return seen
  }

  /// Says that what an archive shows as the newest epoch is no older than what was seen, and remembers it.
  ///
  /// - Parameters:
  ///   - shown: what it shows; nil for no epoch at all.
  ///   - seen: what ``newestEpoch(of:)`` returned before the archive was asked.
  ///   - app: the application.
  ///   - isCopy: whether it is a copy, which may be older without hiding anything.
  /// - Throws: `view.rolled-back`, of a copy that is older `folder.older`; `storage.*`, `state.*`.
  public func advance(
    to shown: SeenEpoch?, from seen: SeenEpoch?, of app: Digest, isCopy: Bool = false
  ) async throws {
    if let seen {
      guard let shown, shown.number > seen.number || shown == seen else {
        if isCopy, shown?.number != seen.number { throw PosternError.olderCopy(shown?.number, than: seen.number) }
        throw PosternError.rolledBack(to: shown?.number, from: seen.number, path: path(of: app))
      }
    }
    guard let shown else { return }
    try await keep(shown, of: app)
  }

  /// Keeps an epoch unless a newer one was kept meanwhile.
  private func keep(_ shown: SeenEpoch, of app: Digest) async throws {
    let lock = try await lock()
    if shown.number > (try newestEpoch(of: app))?.number ?? 0 {
      try StateFiles.replace(path(of: app), with: shown.bytes)
    }
    _ = consume lock
  }

  private func path(of app: Digest) -> String {
    "\(folder)/newest-\(app.bytes.prefix(16).hex).epoch"
  }
}

extension PosternError {
  fileprivate static func olderCopy(_ shown: UInt64?, than seen: UInt64) -> PosternError {
    let newest = shown.map { "epoch \($0) as the newest" } ?? "no epoch"
    return PosternError(
      .folderOlder, "The folder shows \(newest), and this machine has seen epoch \(seen).",
      advice: "If it is the copy that you mean to use, name the epoch with --epoch; otherwise pull again, or use a "
        + "newer copy.")
  }

  /// An archive that shows less than this machine has seen, or another epoch of the same number.
  fileprivate static func rolledBack(to shown: UInt64?, from seen: UInt64, path: String) -> PosternError {
    guard shown != seen else {
      return PosternError(
        .viewRolledBack,
        "The archive shows another epoch \(seen) than the one that this machine has seen: there are two histories, or "
          + "the file “\(path)” is damaged.",
        advice: "Ask another copy of the archive, and compare both with the receipt of epoch \(seen).")
    }
    let newest = shown.map { "epoch \($0) as the newest" } ?? "no epoch"
    return PosternError(
      .viewRolledBack, "The archive shows \(newest), but this machine has seen epoch \(seen) (“\(path)”).",
      advice: "It hides what it had, or lost it: ask another copy of the archive, and keep your receipts.")
  }
}
