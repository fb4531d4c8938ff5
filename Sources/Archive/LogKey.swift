import Core
import Merkle
import Packs
import Sodium

/// The log's signing key, in a file of its own that no export holds.
///
/// One line: `PRIVATE+KEY+name+hex8+base64(type ‖ seed)`, as other implementations of signed notes keep theirs.
enum LogKey {
  private static let prefix = "PRIVATE+KEY+"
  /// A name of at most 255 bytes, an id, 33 bytes in base 64, and the prefix.
  private static let fileByteCountLimit = 1_024

  /// Draws a key and writes its file, readable by its owner alone.
  ///
  /// - Throws: `log.key-name` for an origin that can be no key's name; `storage.*`.
  static func create(origin: String, in folder: DataFolder, files: any FileLayer) throws(PosternError) -> NoteVerifier {
    let seed = SecretBytes.random(count: SigningKey.seedByteCount)
    let signer = try NoteSigner(name: origin, key: SigningKey(seed: seed))
    var typed: [UInt8] = []
    typed.reserveCapacity(1 + SigningKey.seedByteCount)
    typed.append(NoteVerifier.SignatureType.ed25519.rawValue)
    seed.withUnsafeBytes { typed.append(contentsOf: $0) }
    var encoded = Base64.encode(typed)
    wipe(&typed)
    var text: [UInt8] = []
    // Reserved, so that growing leaves no copy behind that nothing wipes.
    text.reserveCapacity(fileByteCountLimit)
    text += (prefix + origin + "+" + keyId(signer.verifier) + "+").utf8
    text += encoded
    text.append(UInt8(ascii: "\n"))
    wipe(&encoded)
    defer { wipe(&text) }
    try DurableFile.write(text, to: folder.logKeyPath, permissions: 0o600, replacing: false, files: files)
    return signer.verifier
  }

  /// Reads a key's file.
  ///
  /// - Throws: `archive.log-key`, `archive.log-key-open`, `storage.*`.
  static func read(in folder: DataFolder, files: any FileLayer) throws(PosternError) -> NoteSigner {
    let path = folder.logKeyPath
    var text: [UInt8]
    do throws(PosternError) {
      guard try OpenFile(path, .read, files: files).isPrivate() else { throw .openLogKey(path) }
      text = try DurableFile.read(path, byteLimit: fileByteCountLimit, files: files)
    } catch let error where error.code == .storageMissing {
      throw .noLogKey(path)
    } catch let error where error.code == .storageTooLong {
      throw .damagedLogKey(path)
    }
    defer { wipe(&text) }
    guard let signer = try signer(text) else { throw .damagedLogKey(path) }
    return signer
  }

  /// The key that a file's text spells; nil when it spells none.
  ///
  /// What holds the secret is sliced where it lies, or wiped: no string is made of it.
  private static func signer(_ text: [UInt8]) throws(PosternError) -> NoteSigner? {
    guard text.starts(with: prefix.utf8), text.last == UInt8(ascii: "\n") else { return nil }
    // A name holds no plus, but base 64 does: what follows the id is one part.
    let line = text.dropLast().dropFirst(prefix.utf8.count)
    let parts = line.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let name = String(validating: parts[0], as: UTF8.self),
      var secret = Base64.decode(parts[2])
    else { return nil }
    defer { wipe(&secret) }
    guard secret.first == NoteVerifier.SignatureType.ed25519.rawValue, secret.count == 1 + SigningKey.seedByteCount
    else { return nil }
    let seed = SecretBytes(count: SigningKey.seedByteCount) { $0.copyBytes(from: secret.dropFirst()) }
    let signer = try NoteSigner(name: name, key: SigningKey(seed: seed))
    guard parts[1].elementsEqual(keyId(signer.verifier).utf8) else { return nil }
    return signer
  }

  /// The key's id as both halves of it spell it: eight digits.
  private static func keyId(_ verifier: NoteVerifier) -> String {
    withUnsafeBytes(of: verifier.keyID.bigEndian) { Array($0) }.hex
  }
}

extension PosternError {
  fileprivate static func noLogKey(_ path: String) -> PosternError {
    PosternError(
      .archiveLogKey, "There is no log key in \(path).",
      advice: "Restore it from the copy that was made when the archive was set up; without it the log cannot go on. "
        + "If “postern archive init” was broken off, run it again.")
  }

  fileprivate static func damagedLogKey(_ path: String) -> PosternError {
    PosternError(
      .archiveLogKey, "The log key in \(path) is damaged: the file does not hold one.",
      advice: "Restore it from the copy that was made when the archive was set up; without it the log cannot go on.")
  }

  fileprivate static func openLogKey(_ path: String) -> PosternError {
    PosternError(
      .archiveLogKeyOpen, "Others than its owner have access to the log key in \(path).",
      advice: "Run “chmod 600 \(path)”; if somebody may have read it, the log's signatures prove nothing any more.")
  }

  /// The key is not the one that the index's checkpoints are signed with.
  static let otherLogKey = PosternError(
    .archiveLogKey, "The folder's log key is another log's: the index was not signed with it.",
    advice: "Restore the key from the copy that was made when the archive was set up.")
}
