public import Core
public import Merkle

/// What an archive gives for an admitted record: a C2SP tlog-proof whose extra line is the record itself.
///
/// So the file alone, with the log's verifier key, shows what was logged, where, and under which checkpoint.
public struct Receipt: Hashable, Sendable {
  /// The record with its path.
  public let proven: ProvenLeaf
  /// The proof as it is stored.
  public let proof: TlogProof

  /// A receipt to be handed out.
  ///
  /// - Throws: `log.proof` when the path has more than 64 hashes or the note no signature, `receipt.leaf` when
  ///   the leaf is empty or longer than 65,535 bytes.
  public init(_ proven: ProvenLeaf, note: SignedNote) throws(PosternError) {
    guard (1...EntryBundle.maximumEntryByteCount).contains(proven.leaf.count) else { throw noLeaf() }
    try self.init(TlogProof(extra: proven.leaf, index: proven.index, path: proven.path, note: note))
  }

  /// Reads a receipt, unverified.
  ///
  /// - Throws: `log.proof`, `log.note` or `log.note-limit` when the bytes are no proof, `receipt.leaf` when it
  ///   carries no leaf.
  public init(parsing bytes: [UInt8]) throws(PosternError) {
    try self.init(TlogProof(parsing: bytes))
  }

  private init(_ proof: TlogProof) throws(PosternError) {
    guard let leaf = proof.extra, leaf.count <= EntryBundle.maximumEntryByteCount else { throw noLeaf() }
    proven = ProvenLeaf(index: proof.index, leaf: leaf, path: proof.path)
    self.proof = proof
  }

  /// The receipt as it is stored, in files that end in `.tlog-proof`.
  public var bytes: [UInt8] { proof.bytes }

  /// Checks that the record that the receipt carries is in the log.
  ///
  /// - Parameters:
  ///   - log: the log's key; its name is the origin.
  ///   - cosigners: the witnesses and mirrors that are known.
  /// - Returns: the checkpoint, which with ``proven`` says all that the receipt shows.
  /// - Throws: what ``Merkle/TlogProof/verify(leafHash:log:cosigners:)`` throws.
  public func verify(
    log: NoteVerifier, cosigners: [NoteVerifier] = []
  ) throws(PosternError) -> SignedCheckpoint {
    try proof.verify(leafHash: TreeHash.leaf(proven.leaf), log: log, cosigners: cosigners)
  }
}

private func noLeaf() -> PosternError {
  PosternError(
    .receiptLeaf, "The proof does not carry the record that it is for.",
    advice: "Use the receipt that the archive gave: its extra line is the record.")
}
