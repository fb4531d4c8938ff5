import CSodium
public import Core

/// Argon2id version 1.3 (RFC 9106) with one lane: turns a passphrase into a key at a price.
public enum Argon2id {
  /// How many bytes the salt has.
  public static let saltByteCount = 16

  /// What one guess costs; it stands beside what the key seals.
  public struct Cost: Hashable, Sendable {
    /// The most passes that are accepted from a file.
    public static let passLimit: UInt32 = 64
    /// The most memory that is accepted from a file: 4 GiB, in KiB.
    public static let memoryLimitKibibytes: UInt32 = 4 << 20
    /// What new keys get: three passes over 256 MiB, libsodium's moderate choice, about half a second.
    public static let standard = Cost(unchecked: 3, memoryKibibytes: 256 << 10)

    /// How often the memory is passed over.
    public let passes: UInt32
    /// How much memory is filled, in KiB.
    public let memoryKibibytes: UInt32

    private init(unchecked passes: UInt32, memoryKibibytes: UInt32) {
      self.passes = passes
      self.memoryKibibytes = memoryKibibytes
    }

    /// A cost within what the algorithm can do and this program is willing to pay.
    ///
    /// - Parameters:
    ///   - passes: 1 to ``passLimit``.
    ///   - memoryKibibytes: 8 to ``memoryLimitKibibytes``.
    /// - Throws: `passphrase.cost` outside these.
    public init(passes: UInt32, memoryKibibytes: UInt32) throws(PosternError) {
      guard (1...Cost.passLimit).contains(passes), (8...Cost.memoryLimitKibibytes).contains(memoryKibibytes) else {
        throw PosternError(
          .passphraseCost, "The cost of the passphrase is outside 1 to 64 passes over 8 KiB to 4 GiB.",
          advice: "Take another copy of the file, or seal the key again.")
      }
      self.init(unchecked: passes, memoryKibibytes: memoryKibibytes)
    }
  }

  /// Derives a key.
  ///
  /// - Parameters:
  ///   - passphrase: what the person types.
  ///   - salt: ``saltByteCount`` random bytes that stand beside what the key seals.
  ///   - cost: passes and memory.
  ///   - byteCount: how long the key shall be, 16 bytes or more.
  /// - Throws: `passphrase.memory` when the memory cannot be had.
  public static func derive(
    passphrase: borrowing SecretBytes, salt: [UInt8], cost: Cost, byteCount: Int
  ) throws(PosternError) -> SecretBytes {
    Library.ready
    precondition(salt.count == saltByteCount && byteCount >= 16)
    return try SecretBytes(count: byteCount) { (key) throws(PosternError) in
      let status = passphrase.withUnsafeBytes { passphrase in
        passphrase.withMemoryRebound(to: CChar.self) { characters in
          guard let base = characters.baseAddress else { return Int32(-1) }
          return crypto_pwhash(
            key.octets, UInt64(key.count), base, UInt64(characters.count), salt, UInt64(cost.passes),
            Int(cost.memoryKibibytes) << 10, crypto_pwhash_ALG_ARGON2ID13)
        }
      }
      guard status == 0 else {
        throw PosternError(
          .passphraseMemory, "There is not enough memory for the passphrase: \(cost.memoryKibibytes) KiB.",
          advice: "Free memory, or open the key on a machine that has more.")
      }
    }
  }
}
