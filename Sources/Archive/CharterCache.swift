import Core
import Index
import Records
import Synchronization

/// Charters that were read lately: a begin and a seal need one each, and a large one takes a while to parse.
///
/// A charter never changes under its digest, so nothing has to be forgotten but for room.
final class CharterCache: Sendable {
  private static let limit = 64
  private let charters = Mutex<[Digest: Charter]>([:])

  subscript(digest: Digest) -> Charter? {
    get { charters.withLock { $0[digest] } }
    set {
      charters.withLock { charters in
        if charters.count >= CharterCache.limit { charters.removeAll() }
        charters[digest] = newValue
      }
    }
  }

  /// A charter by its digest, read where nobody has lately.
  ///
  /// - Throws: `archive.not-found`, `charter.*`, `storage.*`, `pack.*`, `index.*`.
  func charter(_ digest: Digest, of app: Digest, in objects: ObjectFinder) throws(PosternError) -> Charter {
    if let charter = self[digest] { return charter }
    let charter = try Charter(parsing: try objects.body(digest, in: Space(app: app, generation: 0)))
    self[digest] = charter
    return charter
  }

  /// How many of an application's epochs its charter keeps; nil where the archive knows no epoch of it.
  ///
  /// - Throws: as ``charter(_:of:in:)``.
  func retention(of app: Digest, in objects: ObjectFinder) throws(PosternError) -> Retention? {
    let application = try objects.index.read { (snapshot) throws(PosternError) in try snapshot.application(app) }
    guard let application, let newest = application.epoch?.number else { return nil }
    let charter = try charter(application.charterDigest, of: app, in: objects)
    return Retention(epochCount: charter.retentionEpochs, newestEpoch: newest)
  }
}

/// How many of an application's epochs are kept, counted from its newest: derived from the log, by everyone alike.
struct Retention: Hashable, Sendable {
  /// How many the charter keeps; 0 for all.
  let epochCount: UInt64
  /// The application's newest epoch.
  let newestEpoch: UInt64

  /// The newest epoch that need not be kept; nil where all are.
  var expiredEpoch: UInt64? {
    epochCount > 0 && newestEpoch > epochCount ? newestEpoch - epochCount : nil
  }
}
