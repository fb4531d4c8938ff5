public import Core
public import Envelope
public import Sodium

/// A holder's key, and what its file says about it (`Schema/keys.md`).
///
/// One secret of 32 bytes a holder; every key that the holder uses is derived from it.
public struct KeyFile: ~Copyable, Sendable {
  /// What the key is for.
  public let role: HolderRole
  /// What people call the holder.
  public let name: String
  /// The secret.
  public let master: MasterSecret

  /// A key around a secret that exists.
  ///
  /// - Parameters:
  ///   - role: what the key is for.
  ///   - name: what people call the holder; 1 to 64 bytes without control characters.
  ///   - master: the secret.
  /// - Throws: `key.name`.
  public init(role: HolderRole, name: String, master: consuming MasterSecret) throws(PosternError) {
    try HolderRole.check(name: name)
    self.role = role
    self.name = name
    self.master = master
  }

  /// A new key, drawn from the operating system's source.
  ///
  /// - Throws: `key.name`.
  public static func random(role: HolderRole, name: String) throws(PosternError) -> KeyFile {
    try KeyFile(role: role, name: name, master: .random())
  }

  /// A key around a secret that somebody else provisioned.
  ///
  /// - Parameters:
  ///   - role: `kms`, or `uploader` where a KMS derives the uploader's secret too.
  ///   - name: what people call the holder.
  ///   - bytes: the secret, raw or in hexadecimal with at most one line's end; wiped.
  /// - Throws: `key.name`, `key.role`, `key.import`.
  public static func importing(
    role: HolderRole, name: String, bytes: inout [UInt8]
  ) throws(PosternError) -> KeyFile {
    defer { wipe(&bytes) }
    guard role == .kms || role == .uploader else {
      throw PosternError(
        .keyRole, "The secret of \(role.withArticle) is made by its holder and not imported.",
        advice: "Leave --import out.")
    }
    if bytes.count > MasterSecret.byteCount, bytes.last == newline { bytes.removeLast() }
    if bytes.count == MasterSecret.byteCount * 2, let decoded = [UInt8](hexDigits: bytes) {
      wipe(&bytes)
      bytes = decoded
    }
    guard bytes.count == MasterSecret.byteCount else {
      throw PosternError(
        .keyImport, "What is to be imported is not a secret of 32 bytes, raw or as 64 hexadecimal digits.",
        advice: "Give exactly what the key-management service returned.")
    }
    return try KeyFile(role: role, name: name, master: MasterSecret(consuming: &bytes))
  }

  /// The key that a member, an uploader or a requester signs with.
  ///
  /// - Throws: `key.role` for a KMS, which signs nothing.
  public borrowing func signingKey() throws(PosternError) -> SigningKey {
    guard role != .kms else {
      throw PosternError(
        .keyRole, "This is the key of a KMS door, which signs nothing.",
        advice: "Give a member's, an uploader's or a requester's key.")
    }
    return master.signingKey()
  }

  /// Refuses a key of another role.
  ///
  /// - Throws: `key.role`.
  public borrowing func require(_ role: HolderRole) throws(PosternError) {
    guard self.role == role else {
      throw PosternError(
        .keyRole, "This is the key of the \(self.role.rawValue) “\(name)”, and that of \(role.withArticle) is needed.",
        advice: "Give the file of the key of \(role.withArticle).")
    }
  }
}
