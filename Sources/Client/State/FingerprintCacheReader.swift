import Bulk
import Core
import Dump
import Packs
package import Sodium

/// Reads a cache front to back, block by block.
package struct FingerprintCacheReader: ~Copyable, Sendable {
  /// The epoch whose chunks it names.
  package let epoch: SeenEpoch
  /// How many blocks it has.
  let blockCount: Int
  /// How many entries it has.
  let entryCount: Int
  private let file: OpenFile
  private let key: SecretBytes
  private let header: [UInt8]
  private var cipher: AES256GCM
  private var sealed = [UInt8](repeating: 0, count: FingerprintCache.blockByteCount + AES256GCM.tagByteCount)

  /// Opens a cache; nil where there is none, or none that is whole and good for this.
  ///
  /// - Parameters:
  ///   - path: where it lies.
  ///   - subject: what it has to be good for.
  ///   - derive: the key that goes with a salt.
  package init?(at path: String, subject: FingerprintCache.Subject, derive: ([UInt8]) -> SecretBytes) {
    let headerByteCount = FingerprintCache.headerByteCount
    let endByteCount = FingerprintCache.endByteCount + AES256GCM.tagByteCount
    guard let file = try? OpenFile(path, .read), let length = try? file.length(),
      length >= headerByteCount + endByteCount, let header = try? file.read(at: 0, count: headerByteCount),
      let sealedEnd = try? file.read(at: length - UInt64(endByteCount), count: endByteCount)
    else { return nil }
    let salt = header[FingerprintCache.magic.count...].prefix(FingerprintCache.saltByteCount)
    guard header == FingerprintCache.magic + salt + subject.bytes else { return nil }
    let key = derive(Array(salt))
    var cipher = AES256GCM()
    var end = [UInt8](repeating: 0, count: FingerprintCache.endByteCount)
    let opens = key.withUnsafeBytes { key in
      header.withUnsafeBytes { header in
        sealedEnd.withUnsafeBytes { sealedEnd in
          end.withUnsafeMutableBytes { end in
            cipher.open(
              sealedEnd, key: key, nonce: FingerprintCache.nonce(FingerprintCache.endNumber), associatedData: header,
              into: end)
          }
        }
      }
    }
    var reader = ByteReader(end)
    guard opens, let count = try? reader.read(UInt64.self), let number = try? reader.read(UInt64.self),
      let leafHash = try? reader.readDigest(), let entryCount = Int(exactly: count), entryCount <= length
    else { return nil }
    epoch = SeenEpoch(number: number, leafHash: leafHash)
    self.entryCount = entryCount
    blockCount = (entryCount + FingerprintCache.blockEntryCount - 1) / FingerprintCache.blockEntryCount
    self.file = file
    self.cipher = cipher
    self.key = key
    self.header = header
  }

  /// Opens a block.
  ///
  /// - Parameters:
  ///   - number: from 0, below ``blockCount``.
  ///   - buffer: at least ``FingerprintCache/blockByteCount`` bytes.
  /// - Returns: how many entries it has; nil where it does not open.
  mutating func readBlock(_ number: Int, into buffer: PieceBuffer) -> Int? {
    let first = number * FingerprintCache.blockEntryCount
    let count = min(FingerprintCache.blockEntryCount, entryCount - first)
    let byteCount = count * FingerprintCache.Entry.byteCount
    let sealedByteCount = byteCount + AES256GCM.tagByteCount
    let offset =
      FingerprintCache.headerByteCount + first * FingerprintCache.Entry.byteCount + number * AES256GCM.tagByteCount
    let isRead = sealed.withUnsafeMutableBytes { sealed in
      (try? file.read(into: .init(rebasing: sealed[..<sealedByteCount]), at: UInt64(offset))) == true
    }
    guard isRead else { return nil }
    let opens = key.withUnsafeBytes { key in
      header.withUnsafeBytes { header in
        sealed.withUnsafeBytes { sealed in
          cipher.open(
            .init(rebasing: sealed[..<sealedByteCount]), key: key, nonce: FingerprintCache.nonce(UInt64(number)),
            associatedData: header, into: .init(rebasing: buffer.memory[..<byteCount]))
        }
      }
    }
    return opens ? count : nil
  }
}
