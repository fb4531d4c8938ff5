import Core
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
}
