import Core
package import Dump
import Records
import Sodium

extension StateFolder {
  private var cachePath: String { "\(path)/fingerprints" }

  /// What the uploader's fingerprints of a generation are taken with.
  package borrowing func fingerprintKey(of generation: borrowing HeldGeneration) -> FingerprintKey {
    FingerprintKey(seal.derive("postern/v1/state/fingerprint", salt: generation.veilDigest.bytes))
  }

  /// A cache of the chunks that are about to be pushed or recovered.
  package borrowing func newCache(
    of generation: borrowing HeldGeneration, chunker: ChunkerParameters
  ) -> FingerprintCacheWriter {
    let salt = randomBytes(FingerprintCache.saltByteCount)
    return FingerprintCacheWriter(
      at: cachePath, subject: FingerprintCache.Subject(of: generation, chunker: chunker), salt: salt,
      key: StateFolder.cacheKey(seal, salt))
  }

  /// Begins a cache anew, under another key, for a state that is read once more.
  borrowing func restart(_ cache: FingerprintCacheWriter) {
    let salt = randomBytes(FingerprintCache.saltByteCount)
    cache.restart(salt: salt, key: StateFolder.cacheKey(seal, salt))
  }

  /// The chunks that need not be sealed again; nil where no cache names an epoch that this push may rest on.
  ///
  /// - Parameters:
  ///   - generation: the generation that is pushed in.
  ///   - application: what the archive shows: it holds all chunks of the epochs that the charter retains.
  borrowing func knownChunks(
    of generation: borrowing HeldGeneration, in application: VerifiedApplication
  ) -> KnownChunks? {
    let charter = application.charter
    let subject = FingerprintCache.Subject(of: generation, chunker: charter.chunker)
    let reader = FingerprintCacheReader(at: cachePath, subject: subject) { StateFolder.cacheKey(seal, $0) }
    guard let reader, let newest = application.epoch, reader.epoch.isRetained(beside: newest.seen, under: charter)
    else { return nil }
    return KnownChunks(reader)
  }

  /// Forgets the cache: the archive lacks what it names.
  borrowing func forgetCache() {
    try? StateFiles.remove(cachePath)
  }

  private static func cacheKey(_ seal: borrowing StateSeal, _ salt: [UInt8]) -> SecretBytes {
    seal.derive("postern/v1/state/cache", salt: salt)
  }
}

extension FingerprintCache.Subject {
  init(of generation: borrowing HeldGeneration, chunker: ChunkerParameters) {
    self.init(generation: generation.number, veil: generation.veilDigest, chunker: chunker)
  }
}

extension SeenEpoch {
  /// Whether the archive has to hold this epoch's objects still, going by its newest epoch and the charter.
  func isRetained(beside newest: SeenEpoch, under charter: Charter) -> Bool {
    guard number < newest.number else { return self == newest }
    return Retention(under: charter, newestEpoch: newest.number).keeps(number)
  }
}
