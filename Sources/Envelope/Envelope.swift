import Bulk
public import Core
import Sodium

/// The public transcript of a dealing: that two doors open one secret, provable to anyone without a key.
///
/// Schoenmakers' publicly verifiable secret sharing (CRYPTO '99) over ristretto255, one sharing a gate of the
/// policy, with SCRAPE's dual-code check (Cascudo and David, ACNS 2017). A value has been parsed and no more;
/// ``verify()`` makes it a ``VerifiedEnvelope``, and only that lets a key near it.
public struct Envelope: Sendable {
  /// The version that this is.
  static let version: UInt8 = 1
  /// The most bytes that a transcript has.
  public static let byteLimit = 133_218

  /// What the envelope belongs to.
  public let context: EnvelopeContext
  /// SHA-256 of the transcript: the envelope's name.
  public let digest: Digest
  /// The hash of all commitments, to which every proof of the transcript is bound.
  package let commitments: Digest
  /// Each gate's commitment, the root's first; the root's stands even where there is no council door.
  let gateCommitments: [Point]
  let leaves: [Leaf]
  let kmsDoor: KMSDoor?

  /// A leaf's part of the transcript: 128 bytes.
  struct Leaf: Sendable {
    /// The share times `G`.
    let commitment: Point
    /// The share times the member's key.
    let share: Point
    let proof: SchnorrProof
  }

  /// The KMS door's part of the transcript: 96 bytes.
  struct KMSDoor: Sendable {
    /// The secret times the KMS's key.
    let share: Point
    let proof: SchnorrProof
  }

  /// Parses a transcript against the context that its reader computed from the charter.
  ///
  /// - Parameters:
  ///   - transcript: the envelope's bytes.
  ///   - context: what it has to belong to; its policy gives the transcript's shape.
  /// - Throws: front to back, the first of `envelope.version`, `envelope.kms-presence`, `envelope.truncated`,
  ///   `envelope.encoding`, `envelope.trailing`.
  public init(parsing transcript: [UInt8], context: EnvelopeContext) throws(PosternError) {
    var reader = TranscriptReader(transcript)
    guard try reader.readByte() == Envelope.version else {
      throw TranscriptReader.refusal(.envelopeVersion, "The envelope's version is not 1.")
    }
    guard try reader.readByte() == (context.kms == nil ? 0 : 1) else {
      throw TranscriptReader.refusal(
        .envelopeKMSPresence, "The envelope does not have the KMS door that the charter says, or has one too many.")
    }
    let root = try reader.readPoint()
    kmsDoor =
      context.kms == nil ? nil : KMSDoor(share: try reader.readPoint(), proof: try reader.readProof())
    var gates = [root]
    var leaves: [Leaf] = []
    var commitments = CommitmentHash(context: context, root: root)
    for position in context.layout.transcriptOrder {
      let commitment = try reader.readPoint()
      commitments.append(commitment)
      switch position {
      case .gate: gates.append(commitment)
      case .leaf:
        leaves.append(
          Leaf(commitment: commitment, share: try reader.readPoint(), proof: try reader.readProof()))
      }
    }
    try reader.finish()
    self.context = context
    digest = SHA256.hash(transcript)
    self.commitments = commitments.finish()
    gateCommitments = gates
    self.leaves = leaves
  }
}

/// `SHA-256(str(tag) ‖ ctx ‖ V_0 ‖ every other V in transcript order)`.
struct CommitmentHash {
  private var bytes: [UInt8]

  init(context: EnvelopeContext, root: Point) {
    bytes = Tag.commitments.framed
    bytes.append(context.digest)
    append(root)
  }

  mutating func append(_ commitment: Point) { bytes.append(contentsOf: commitment.bytes) }

  func finish() -> Digest { SHA256.hash(bytes) }
}

/// Reads a transcript field by field, and says why it cannot.
private struct TranscriptReader {
  private var reader: ByteReader

  init(_ transcript: [UInt8]) {
    reader = ByteReader(transcript)
  }

  mutating func readByte() throws(PosternError) -> UInt8 {
    do { return try reader.read() } catch { throw TranscriptReader.truncated }
  }

  mutating func readPoint() throws(PosternError) -> Point {
    guard let point = Point(try read(Point.byteCount)) else { throw TranscriptReader.encoding }
    return point
  }

  mutating func readProof() throws(PosternError) -> SchnorrProof {
    guard let challenge = Scalar(try read(Scalar.byteCount)) else { throw TranscriptReader.encoding }
    guard let response = Scalar(try read(Scalar.byteCount)) else { throw TranscriptReader.encoding }
    return SchnorrProof(challenge: challenge, response: response)
  }

  func finish() throws(PosternError) {
    do { try reader.finish() } catch {
      throw TranscriptReader.refusal(.envelopeTrailing, "Bytes follow where the envelope ends.")
    }
  }

  private mutating func read(_ count: Int) throws(PosternError) -> ArraySlice<UInt8> {
    do { return try reader.read(count) } catch { throw TranscriptReader.truncated }
  }

  private static let truncated = refusal(.envelopeTruncated, "The envelope ends before its policy does.")
  private static let encoding = refusal(
    .envelopeEncoding, "A point or a scalar of the envelope is not in its one allowed form.")

  static func refusal(_ code: PosternError.Code, _ message: String) -> PosternError {
    PosternError(code, message, advice: "Refuse the epoch: whoever sealed it has to seal it again.")
  }
}
