import Bulk
public import Core

extension Source {
  /// A body whose bytes are what the digest says.
  ///
  /// - Throws: `source.mismatch` when they are not; else what the source throws.
  public func checkedBody(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    let body = try await body(app: app, generation: generation, digest: digest)
    guard SHA256.hash(body) == digest else { throw mismatch(digest) }
    return body
  }
}

private func mismatch(_ id: Digest) -> PosternError {
  PosternError(
    .sourceMismatch, "What the source sent is not \(id).",
    advice: "The source's copy is damaged or forged: ask another archive, or read a copy with --from FOLDER.")
}
