import Bulk
public import Core

/// Bodies that come with a record, by their digests.
///
/// Each was hashed when the value was made, and by nobody after: what is found under a digest has that digest.
public struct Bodies: Sendable {
  private let byDigest: [Digest: [UInt8]]

  /// Hashes bodies; two that are alike are one.
  public init(_ bodies: some Sequence<[UInt8]>) {
    byDigest = Dictionary(bodies.map { (SHA256.hash($0), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The body of a digest; nil where it did not come.
  public subscript(digest: Digest) -> [UInt8]? { byDigest[digest] }

  /// Their digests, rising.
  public var digests: [Digest] { byDigest.keys.sorted() }

  /// Bytes of some of them together.
  public func byteCount(of digests: [Digest]) -> Int { digests.reduce(0) { $0 + (byDigest[$1]?.count ?? 0) } }
}
