public import Core

/// A proof that an entry is in a log, in one file that is checked without asking anyone (C2SP tlog-proof).
///
/// Lines: `c2sp.org/tlog-proof@v1`, perhaps `extra base64`, `index N`, the audit path in base 64 with a line a
/// hash, an empty line, and the checkpoint's note as the log issued it.
public struct TlogProof: Hashable, Sendable {
  /// The most bytes that a proof may have.
  public static let maximumByteCount = 3 << 20
  /// The most bytes of extra data that a proof may carry.
  public static let maximumExtraByteCount = 1 << 20
  private static let header = Array("c2sp.org/tlog-proof@v1".utf8)
  private static let extraMark = Array("extra ".utf8)
  private static let indexMark = Array("index ".utf8)

  /// What an application adds, at least one byte; not authenticated by itself.
  public let extra: [UInt8]?
  /// The entry's place in the log, from 0.
  public let index: UInt64
  /// The audit path, leaf to root.
  public let path: [Digest]
  /// The checkpoint's note.
  public let note: SignedNote

  /// A proof to be handed out.
  ///
  /// - Throws: `log.proof` when the extra data are empty or more than a mebibyte, the path has more than 64
  ///   hashes, or the note has no signature.
  public init(extra: [UInt8]?, index: UInt64, path: [Digest], note: SignedNote) throws(PosternError) {
    guard extra.map({ (1...Self.maximumExtraByteCount).contains($0.count) }) ?? true,
      path.count <= InclusionProof.maximumHashCount, !note.signatures.isEmpty
    else { throw malformed() }
    self.extra = extra
    self.index = index
    self.path = path
    self.note = note
  }

  /// Reads a proof, unverified.
  ///
  /// - Throws: `log.proof` when a line is missing, out of place or not spelled the one way that it can be;
  ///   `log.note` or `log.note-limit` when no note follows.
  public init(parsing bytes: [UInt8]) throws(PosternError) {
    guard bytes.count <= Self.maximumByteCount else { throw malformed() }
    var lines = LineReader(bytes[...])
    guard lines.next()?.elementsEqual(Self.header) == true, var line = lines.next() else { throw malformed() }
    var extra: [UInt8]?
    if line.starts(with: Self.extraMark) {
      guard let data = Base64.decode(line.dropFirst(Self.extraMark.count)), let next = lines.next() else {
        throw malformed()
      }
      extra = data
      line = next
    }
    guard line.starts(with: Self.indexMark), let index = Decimal.parse(line.dropFirst(Self.indexMark.count)) else {
      throw malformed()
    }
    let path = try Self.path(&lines)
    try self.init(extra: extra, index: index, path: path, note: SignedNote(parsing: Array(lines.rest)))
  }

  /// Reads hashes up to and with the empty line.
  private static func path(_ lines: inout LineReader) throws(PosternError) -> [Digest] {
    var path: [Digest] = []
    while let line = lines.next() {
      if line.isEmpty { return path }
      guard path.count < InclusionProof.maximumHashCount, let hash = Base64.decode(line).flatMap({ Digest($0) })
      else { break }
      path.append(hash)
    }
    throw malformed()
  }

  /// The proof as it is stored, in files that end in `.tlog-proof`.
  public var bytes: [UInt8] {
    var bytes = Self.header + [newline]
    if let extra { bytes += Self.extraMark + Base64.encode(extra) + [newline] }
    bytes += Self.indexMark + Array("\(index)\n".utf8)
    for hash in path { bytes += Base64.encode(hash.bytes) + [newline] }
    return bytes + [newline] + note.bytes
  }

  /// Checks that a leaf is the proof's entry, under the log's key.
  ///
  /// - Parameters:
  ///   - leafHash: the hash of the leaf that the caller expects, see ``TreeHash/leaf(_:)``.
  ///   - log: the log's key; its name is the origin.
  ///   - cosigners: the witnesses and mirrors that are known.
  /// - Throws: what ``SignedCheckpoint/init(verifying:log:cosigners:)`` throws, and `log.range` or
  ///   `log.inclusion` when the checkpoint does not cover the leaf.
  public func verify(
    leafHash: Digest, log: NoteVerifier, cosigners: [NoteVerifier] = []
  ) throws(PosternError) -> SignedCheckpoint {
    let signed = try SignedCheckpoint(verifying: note, log: log, cosigners: cosigners)
    let proof = InclusionProof(index: index, treeSize: signed.checkpoint.size, hashes: path)
    try proof.verify(leafHash: leafHash, root: signed.checkpoint.root)
    return signed
  }
}

private func malformed() -> PosternError {
  PosternError(
    .logProof, "The bytes are no transparency log proof.",
    advice: "Give the whole file, as it was received (C2SP tlog-proof).")
}
