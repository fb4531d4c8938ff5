import Bulk
import Core
import Dump
import Packs
package import Sodium
import Synchronization

/// Writes the cache of an epoch while its state is pushed or recovered; it counts once ``finish(_:)`` has named it.
///
/// It never fails: on a disk that is full the next push has no cache, which costs time and nothing else. What was
/// written of it is removed at once then, since the room may be what the epoch's own files need. Nor is it synced: a
/// file that a power failure tore does not open.
package final class FingerprintCacheWriter: Sendable {
  private let path: String
  private let subject: FingerprintCache.Subject
  private let blocks: Mutex<CacheBlocks>

  /// A cache beside its place.
  ///
  /// - Parameters:
  ///   - path: where it will lie; until then it is `PATH.new`.
  ///   - subject: what it is good for.
  ///   - salt: what `key` was derived with.
  ///   - key: seals this file and no other.
  package init(at path: String, subject: FingerprintCache.Subject, salt: [UInt8], key: consuming SecretBytes) {
    self.path = path
    self.subject = subject
    blocks = Mutex(FingerprintCacheWriter.begin(at: path, subject, salt: salt, key: key))
  }

  deinit { try? StateFiles.remove(FingerprintCacheWriter.temporary(path)) }

  private static func temporary(_ path: String) -> String { path + ".new" }

  private static func open(_ path: String) -> OpenFile? {
    // What an earlier push left there may be longer than what comes.
    try? StateFiles.remove(temporary(path))
    return try? OpenFile(temporary(path), .create, permissions: 0o600)
  }

  private static func begin(
    at path: String, _ subject: FingerprintCache.Subject, salt: [UInt8], key: consuming SecretBytes
  ) -> CacheBlocks {
    var file: OpenFile?
    let (_, leftover) = Leftovers.ofProcess.making({ file = open(path) }) { try? StateFiles.remove(temporary(path)) }
    let header = FingerprintCache.magic + salt + subject.bytes
    var blocks = CacheBlocks(
      file: file.take(), path: temporary(path), leftover: leftover, key: key, header: header)
    blocks.write(header[...])
    return blocks
  }

  /// Appends the state's next chunks.
  package func append(_ entries: some Sequence<FingerprintCache.Entry>) {
    blocks.withLock { blocks in
      for entry in entries { blocks.append(entry) }
    }
  }

  /// Begins anew, in a new file: the state is read once more, from its first byte.
  ///
  /// - Parameters:
  ///   - salt: what `key` was derived with.
  ///   - key: another one than before, since no block may be sealed twice under one.
  package func restart(salt: [UInt8], key: consuming SecretBytes) {
    var key = Optional(key)
    // In one turn: blocks that fail remove the file, which has to be theirs still.
    blocks.withLock { blocks in
      if let key = key.take() { blocks = FingerprintCacheWriter.begin(at: path, subject, salt: salt, key: key) }
    }
  }

  /// Gives up, and frees the room that the cache takes.
  package func giveUp() {
    blocks.withLock { blocks in blocks.giveUp() }
  }

  /// Puts the cache in the place of the one before.
  ///
  /// - Parameter epoch: the epoch that was admitted with these chunks.
  package func finish(_ epoch: SeenEpoch) {
    blocks.withLock { blocks in
      guard blocks.end(epoch) else { return }
      StateFiles.rename(FingerprintCacheWriter.temporary(path), to: path)
    }
  }
}

/// The blocks of a cache that is being written.
private struct CacheBlocks: ~Copyable {
  /// Nil once something failed.
  private var file: OpenFile?
  private let path: String
  private let leftover: Leftover
  private let key: SecretBytes
  private let header: [UInt8]
  private var cipher = AES256GCM()
  /// The block that is being filled; wiped with its owner.
  private let block = PieceBuffer(byteCount: FingerprintCache.blockByteCount)
  private var sealed = [UInt8](repeating: 0, count: FingerprintCache.blockByteCount + AES256GCM.tagByteCount)
  private var entryCount = 0
  private var offset: UInt64 = 0

  init(
    file: consuming OpenFile?, path: String, leftover: Leftover, key: consuming SecretBytes, header: [UInt8]
  ) {
    self.file = file
    self.path = path
    self.leftover = leftover
    self.key = key
    self.header = header
  }

  mutating func append(_ entry: FingerprintCache.Entry) {
    let position = entryCount % FingerprintCache.blockEntryCount * FingerprintCache.Entry.byteCount
    entry.write(
      to: UnsafeMutableRawBufferPointer(
        rebasing: block.memory[position..<position + FingerprintCache.Entry.byteCount]))
    entryCount += 1
    if entryCount.isMultiple(of: FingerprintCache.blockEntryCount) {
      seal(number: entryCount / FingerprintCache.blockEntryCount - 1, byteCount: FingerprintCache.blockByteCount)
    }
  }

  /// Writes the last block and the end; false where that failed, or something did before.
  mutating func end(_ epoch: SeenEpoch) -> Bool {
    let rest = entryCount % FingerprintCache.blockEntryCount
    if rest > 0 {
      seal(number: entryCount / FingerprintCache.blockEntryCount, byteCount: rest * FingerprintCache.Entry.byteCount)
    }
    var end: [UInt8] = []
    end.append(bigEndian: UInt64(entryCount))
    end.append(bigEndian: epoch.number)
    end.append(epoch.leafHash)
    block.memory.copyBytes(from: end)
    seal(nonce: FingerprintCache.endNumber, byteCount: end.count)
    return file != nil
  }

  private mutating func seal(number: Int, byteCount: Int) {
    seal(nonce: UInt64(number), byteCount: byteCount)
  }

  /// Seals the block's first bytes and writes them.
  private mutating func seal(nonce: UInt64, byteCount: Int) {
    guard file != nil else { return }
    let plain = UnsafeRawBufferPointer(rebasing: block.memory[..<byteCount])
    let sealedByteCount = byteCount + AES256GCM.tagByteCount
    key.withUnsafeBytes { key in
      header.withUnsafeBytes { header in
        sealed.withUnsafeMutableBytes { sealed in
          cipher.seal(
            plain, key: key, nonce: FingerprintCache.nonce(nonce), associatedData: header,
            into: UnsafeMutableRawBufferPointer(rebasing: sealed[..<sealedByteCount]))
        }
      }
    }
    write(sealed[..<sealedByteCount])
  }

  mutating func write(_ bytes: ArraySlice<UInt8>) {
    let isWritten = bytes.withUnsafeBytes { bytes in (try? file?.write(bytes, at: offset)) != nil }
    offset += UInt64(bytes.count)
    if !isWritten { giveUp() }
  }

  mutating func giveUp() {
    guard file != nil else { return }
    file = nil
    try? StateFiles.remove(path)
  }
}
