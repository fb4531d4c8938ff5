import Bulk
import Core
public import Records
import Sodium

/// A signed epoch record with the bodies that it names, kept from before it is sent until its receipt is here.
///
/// Whoever lost the connection, or the process, at the wrong moment asks with it whether the epoch was admitted.
public struct PendingEpoch: Hashable, Sendable {
  /// The record's bytes.
  public let leaf: [UInt8]
  /// The envelope's bytes.
  public let envelope: [UInt8]
  /// The veil's bytes.
  public let veil: [UInt8]
  /// The capsule's bytes.
  public let capsule: [UInt8]
  /// The record, parsed.
  public let record: Record
  /// The record's fields.
  public let fields: EpochFields

  /// An epoch that was signed now.
  public init(record: Record, fields: EpochFields, envelope: [UInt8], veil: [UInt8], capsule: [UInt8]) {
    leaf = record.leaf
    self.record = record
    self.fields = fields
    self.envelope = envelope
    self.veil = veil
    self.capsule = capsule
  }

  static let fileByteCountLimit = 3 << 20

  /// The file's bytes: `magic (16) ‖` leaf, envelope, veil and capsule, each as `u32 length ‖ bytes`.
  var bytes: [UInt8] { StateFiles.magic + Parts.encode([leaf, envelope, veil, capsule]) }

  /// Reads a file; it has to hold an epoch of this application that this uploader signed, with its bodies.
  ///
  /// - Throws: `state.malformed`; `state.does-not-open` where another key signed it.
  init(parsing bytes: [UInt8], app: Digest, uploader: VerificationKey, path: String) throws(PosternError) {
    let malformed = PosternError.pendingMalformed(path)
    guard bytes.starts(with: StateFiles.magic) else { throw malformed }
    let parts: [[UInt8]]
    do {
      var reader = ByteReader(bytes[StateFiles.magic.count...])
      parts = try (0..<4).map { _ in Array(try reader.read(Int(try reader.read(UInt32.self)))) }
      try reader.finish()
      record = try Record(parsing: parts[0])
      try record.verifySignature()
    } catch {
      throw malformed
    }
    guard record.author.key == uploader else { throw .stateSealed }
    guard case .epoch(let fields) = record.fields, record.app == app, SHA256.hash(parts[1]) == fields.envelope,
      SHA256.hash(parts[2]) == fields.veil, SHA256.hash(parts[3]) == fields.capsule
    else { throw malformed }
    (leaf, envelope, veil, capsule) = (parts[0], parts[1], parts[2], parts[3])
    self.fields = fields
  }
}
