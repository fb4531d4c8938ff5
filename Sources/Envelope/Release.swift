public import Core
import Sodium

/// A leaf's opened share with the proof that it is the share that was dealt: `σ ‖ c ‖ z`, 96 bytes.
///
/// Secret: enough of them open the door. Copies of a value share one piece of memory, which is wiped with the
/// last of them.
public struct Release: Sendable {
  /// How many bytes a release has.
  public static let byteCount = Point.byteCount + SchnorrProof.byteCount

  /// The owner that copies share.
  private final class Memory: Sendable {
    let bytes: SecretBytes
    init(_ bytes: consuming SecretBytes) { self.bytes = bytes }
  }

  private let memory: Memory

  /// A release as it came, unverified and unparsed.
  ///
  /// - Parameter bytes: nil comes back unless they are ``byteCount``.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Release.byteCount else { return nil }
    memory = Memory(SecretBytes(count: bytes.count) { $0.copyMemory(from: bytes) })
  }

  fileprivate init(opened: Point, proof: SchnorrProof) {
    memory = Memory(
      SecretBytes(count: Release.byteCount) { memory in
        opened.withUnsafeBytes { memory.copyMemory(from: $0) }
        UnsafeMutableRawBufferPointer(rebasing: memory[Point.byteCount...]).copyBytes(from: proof.bytes)
      })
  }

  /// Calls `body` with the 96 bytes, to be sealed; they must not leave it otherwise.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    memory.bytes.withUnsafeBytes(body)
  }

  /// The opened share; nil when its bytes are no point.
  var opened: Point? {
    withUnsafeBytes { Point($0.prefix(Point.byteCount)) }
  }

  private var proof: SchnorrProof? {
    withUnsafeBytes { SchnorrProof($0.suffix(SchnorrProof.byteCount)) }
  }

  /// Whether the release is of this leaf, under a context and an envelope digest given one by one.
  ///
  /// - Parameters:
  ///   - leaf: the leaf's number.
  ///   - key: whose leaf it is.
  ///   - dealt: the share as the transcript has it.
  ///   - context: the context's digest.
  ///   - envelope: the envelope's digest.
  func isTrue(leaf: Int, key: ShardPublicKey, dealt: Point, context: Digest, envelope: Digest) -> Bool {
    guard let opened, let proof else { return false }
    return EqualityStatement.release(
      leaf, of: key.point, opened: opened, dealt: dealt, context: context, envelope: envelope
    ).isProven(by: proof)
  }
}

/// A release that verifies: what a door is combined from.
public struct VerifiedRelease: Sendable {
  /// Which leaf it opens.
  public let leaf: Int
  /// What was released.
  public let release: Release
  let context: Digest
  let envelope: Digest
}

extension VerifiedEnvelope {
  /// Opens one leaf.
  ///
  /// - Parameters:
  ///   - leaf: the leaf's number.
  ///   - key: the key of the member whose leaf it is.
  /// - Throws: `envelope.key` when the leaf is another's, or there is none of that number.
  public func release(leaf: Int, with key: borrowing ShardKey) throws(PosternError) -> Release {
    var draws = SystemDraws()
    return try release(leaf: leaf, with: key, draws: &draws)
  }

  /// The same from given draws.
  package func release(
    leaf: Int, with key: borrowing ShardKey, draws: inout some DrawSource
  ) throws(PosternError) -> Release {
    guard envelope.leaves.indices.contains(leaf), context.layout.leaves[leaf] == key.publicKey else {
      throw PosternError(
        .envelopeKey, "Leaf \(leaf) was not dealt to this key.", advice: "Use the key of the member that it names.",
        index: leaf)
    }
    let dealt = envelope.leaves[leaf].share
    let opened = key.secret.inverse(at: 0).multiple(of: dealt, at: 0)
    let statement = EqualityStatement.release(
      leaf, of: key.publicKey.point, opened: opened, dealt: dealt, context: context.digest, envelope: digest)
    var prover = Prover()
    return Release(opened: opened, proof: prover.prove(statement, secret: key.secret, at: 0, draws: &draws))
  }

  /// Checks that a release opens a leaf.
  ///
  /// - Parameters:
  ///   - release: what a member released.
  ///   - leaf: the leaf that it shall be of.
  /// - Throws: `release.false` with the leaf's number, also for a leaf that does not exist.
  public func verify(_ release: Release, leaf: Int) throws(PosternError) -> VerifiedRelease {
    guard envelope.isTrue(release, leaf: leaf, context: context.digest, digest: digest) else {
      throw PosternError(
        .releaseFalse, "The release of leaf \(leaf) does not open the share that was dealt.",
        advice: "Set it aside and go on with the others.", index: leaf)
    }
    return VerifiedRelease(leaf: leaf, release: release, context: context.digest, envelope: digest)
  }
}

extension Envelope {
  /// Whether a release opens a leaf of this transcript, under a context and a digest that need not be its own.
  package func isTrue(_ release: Release, leaf: Int, context digestOfContext: Digest, digest: Digest) -> Bool {
    guard leaves.indices.contains(leaf) else { return false }
    return release.isTrue(
      leaf: leaf, key: context.layout.leaves[leaf], dealt: leaves[leaf].share, context: digestOfContext,
      envelope: digest)
  }
}
