import Archive
public import Core
import FoundationEssentials
import Index
import Merkle
import Trust
import Wire

extension PosternError.Code {
  /// A field of a request has another length or shape than it must have.
  public static let requestField: Self = "request.field"
}

extension PosternError {
  fileprivate static func wrongField(_ name: String, _ expected: String) -> PosternError {
    PosternError(
      .requestField, "The request's field “\(name)” is not \(expected).",
      advice: "Use a client that follows Schema/postern.proto.")
  }

  /// A list is by application or by policy, never by both or neither.
  static let eitherAppOrPolicy = PosternError(
    .requestField, "A list is asked for by an application or by a policy, one of the two.",
    advice: "Give one of the two fields.")
}

extension Digest {
  /// A digest that a request's field holds.
  init(field: Data, _ name: String) throws(PosternError) {
    guard let digest = Digest(field) else { throw .wrongField(name, "32 bytes long") }
    self = digest
  }
}

extension [Digest] {
  /// Digests that a request's field holds, one after the other.
  init(field: Data, _ name: String) throws(PosternError) {
    let isWhole = field.count.isMultiple(of: Digest.byteCount)
    guard isWhole, field.count <= ProtocolLimits.missingIdCount * Digest.byteCount else {
      throw .wrongField(name, "a bounded number of 32-byte ids")
    }
    self = field.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: Digest.byteCount).map { offset in
        Digest(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Digest.byteCount]).bytes)
      }
    }
  }
}

extension PushToken {
  /// A token that a request's field holds.
  init(field: some Collection<UInt8>) throws(PosternError) {
    guard let token = PushToken(field) else { throw .wrongField("token", "\(PushToken.byteCount) bytes long") }
    self = token
  }
}

extension TileCoordinate {
  /// The tile that a request asks for.
  init(request: Postern_V1_GetTileRequest) throws(PosternError) {
    do throws(PosternError) {
      try self.init(level: Int(clamping: request.level), index: request.index, width: Int(clamping: request.width))
    } catch {
      throw .wrongField("level, index or width", "that of a tile which a log can have")
    }
  }
}

extension BundleCoordinate {
  /// The bundle that a request asks for.
  init(request: Postern_V1_GetEntriesRequest) throws(PosternError) {
    do throws(PosternError) {
      try self.init(index: request.index, width: Int(clamping: request.width))
    } catch {
      throw .wrongField("index or width", "that of a bundle which a log can have")
    }
  }
}

extension UInt64 {
  /// Eight bytes that say where a list goes on.
  var cursor: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: self)
    return bytes
  }
}

extension UInt64? {
  /// Where a list goes on; nil for the first page.
  init(cursor: Data) throws(PosternError) {
    guard !cursor.isEmpty else {
      self = nil
      return
    }
    guard cursor.count == 8 else { throw .wrongField("after", "what the page before said") }
    self = cursor.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  }
}

extension Postern_V1_ProvenLeaf {
  /// A leaf with its proof, as the archive shows it.
  init(_ proven: ProvenLeaf) {
    self.init()
    index = proven.index
    leaf = Data(proven.leaf)
    path = proven.path.map { Data($0.bytes) }
  }
}

extension Postern_V1_EpochRow {
  /// An epoch as the index has it.
  init(_ row: EpochRow) {
    self.init()
    app = Data(row.claim.app.bytes)
    epoch = row.claim.number
    generation = row.generation
    stateVersion = row.claim.stateVersion
    commitment = row.commitment.map { Data($0.bytes) } ?? Data()
    policy = Data(row.policy.bytes)
    index = row.index
    root = Data(row.claim.root.bytes)
    addedBytes = row.addedByteCount
  }
}
