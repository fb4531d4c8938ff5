import Bulk
import Core
import Envelope
import Sodium

/// How a passphrase seals a key: Argon2id makes a key of it, AES-256-GCM seals the secret under that.
///
/// The salt is fresh for each file, so a key seals one message and the nonce can be zeros.
struct PassphraseSeal {
  private static let function = "argon2id"

  let salt: [UInt8]
  let cost: Argon2id.Cost

  init(salt: [UInt8], cost: Argon2id.Cost) {
    self.salt = salt
    self.cost = cost
  }

  /// The lines of a key file that say how it was sealed.
  var headers: [Armour.Header] {
    [
      Armour.Header("passphrase", PassphraseSeal.function), Armour.Header("salt", salt.hex),
      Armour.Header("passes", String(cost.passes)), Armour.Header("memory-kib", String(cost.memoryKibibytes)),
    ]
  }

  /// Reads those lines: these, in this order, spelled as ``headers`` spells them.
  init(headers: ArraySlice<Armour.Header>) throws(PosternError) {
    let values = headers.map(\.value)
    guard headers.map(\.name) == ["passphrase", "salt", "passes", "memory-kib"], values[0] == PassphraseSeal.function,
      let salt = [UInt8](hex: values[1]), salt.count == Argon2id.saltByteCount, let passes = UInt32(values[2]),
      let memory = UInt32(values[3])
    else { throw .malformedKey }
    self.init(salt: salt, cost: try Argon2id.Cost(passes: passes, memoryKibibytes: memory))
    guard Array(headers) == self.headers else { throw .malformedKey }
  }

  func seal(_ key: borrowing KeyFile, passphrase: borrowing SecretBytes) throws(PosternError) -> [UInt8] {
    let wrapping = try wrappingKey(passphrase)
    let label = KeyFile.label(key.role, key.name)
    var sealed = [UInt8](repeating: 0, count: MasterSecret.byteCount + AES256GCM.tagByteCount)
    key.master.withUnsafeBytes { secret in
      wrapping.withUnsafeBytes { wrapping in
        sealed.withUnsafeMutableBytes { output in
          label.withUnsafeBytes { label in
            var cipher = AES256GCM()
            cipher.seal(secret, key: wrapping, associatedData: label, into: output)
          }
        }
      }
    }
    return sealed
  }

  func open(
    _ sealed: [UInt8], role: HolderRole, name: String, passphrase: borrowing SecretBytes
  ) throws(PosternError) -> MasterSecret {
    guard sealed.count == MasterSecret.byteCount + AES256GCM.tagByteCount else { throw .malformedKey }
    let wrapping = try wrappingKey(passphrase)
    let label = KeyFile.label(role, name)
    var secret = [UInt8](repeating: 0, count: MasterSecret.byteCount)
    defer { wipe(&secret) }
    let isOpen = sealed.withUnsafeBytes { sealed in
      wrapping.withUnsafeBytes { wrapping in
        secret.withUnsafeMutableBytes { output in
          label.withUnsafeBytes { label in
            var cipher = AES256GCM()
            return cipher.open(sealed, key: wrapping, associatedData: label, into: output)
          }
        }
      }
    }
    guard isOpen else {
      throw PosternError(
        .keyPassphrase, "The passphrase does not open this key, or the key file was changed.",
        advice: "Try again; if you are sure of the passphrase, take another copy of the file.")
    }
    return try MasterSecret(consuming: &secret)
  }

  private func wrappingKey(_ passphrase: borrowing SecretBytes) throws(PosternError) -> SecretBytes {
    try Argon2id.derive(passphrase: passphrase, salt: salt, cost: cost, byteCount: AES256GCM.keyByteCount)
  }
}
