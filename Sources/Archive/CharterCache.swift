import Core
import Index
import Records

/// Charters that were read lately: a begin and a seal need one each, and a large one takes a while to parse.
///
/// A charter never changes under its digest, so nothing has to be forgotten but for room.
final class CharterCache: Sendable {
  private struct Entry {
    let charter: Charter
    /// Bytes of its body; in memory it takes some six times as many.
    let byteCount: Int
  }

  private let charters = RecentlyUsed<Digest, Entry>(countLimit: 64, costLimit: CharterCache.byteLimit)
  /// The most bytes of all bodies together.
  private static let byteLimit = 4 << 20

  /// A charter by its digest, read where nobody has lately.
  ///
  /// - Throws: `archive.not-found`, `charter.*`, `storage.*`, `pack.*`, `index.*`.
  func charter(_ digest: Digest, of app: Digest, in objects: ObjectFinder) throws(PosternError) -> Charter {
    let entry = try charters.value(of: digest, cost: \.byteCount) { () throws(PosternError) in
      let body = try objects.body(digest, in: Space(app: app, generation: 0))
      return Entry(charter: try Charter(parsing: body), byteCount: body.count)
    }
    return entry.charter
  }

  /// How many of an application's epochs its charter keeps; nil where the archive knows no epoch of it.
  ///
  /// - Throws: as ``charter(_:of:in:)``.
  func retention(of app: Digest, in objects: ObjectFinder) throws(PosternError) -> Retention? {
    let application = try objects.index.read { (snapshot) throws(PosternError) in try snapshot.application(app) }
    guard let application, let newest = application.epoch?.number else { return nil }
    let charter = try charter(application.charterDigest, of: app, in: objects)
    return Retention(under: charter, newestEpoch: newest)
  }
}
