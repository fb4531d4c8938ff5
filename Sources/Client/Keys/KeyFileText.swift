import Bulk
public import Core
import Envelope
public import Sodium

extension Armour.Kind {
  /// A holder's key.
  static let key = Armour.Kind("KEY", byteCountLimit: 64)
}

extension KeyFile {
  /// The most bytes that a key's file may have.
  public static let textByteCountLimit = Armour.Kind.key.textByteCountLimit
  private static let format: UInt8 = 1
  /// How many bytes of SHA-256 stand behind a secret without passphrase, so that a damaged file is no other key.
  private static let checkByteCount = 8

  /// The key's file, without a passphrase; the caller wipes it.
  public borrowing func text() -> [UInt8] {
    var body: [UInt8] = []
    defer { wipe(&body) }
    // Reserved, so that growing leaves no copy behind that nothing wipes.
    body.reserveCapacity(1 + MasterSecret.byteCount + KeyFile.checkByteCount)
    body.append(KeyFile.format)
    master.withUnsafeBytes { secret in
      body += secret
      body += KeyFile.check(role, name, secret)
    }
    return Armour(.key, headers: headers, body: body).text
  }

  /// The key's file, under a passphrase that is asked whenever the key is used.
  ///
  /// - Parameters:
  ///   - passphrase: at least one byte.
  ///   - cost: what one guess at it costs.
  /// - Throws: `passphrase.memory`.
  public borrowing func text(
    passphrase: borrowing SecretBytes, cost: Argon2id.Cost = .standard
  ) throws(PosternError) -> [UInt8] {
    let seal = PassphraseSeal(salt: randomBytes(Argon2id.saltByteCount), cost: cost)
    let sealed = try seal.seal(self, passphrase: passphrase)
    return Armour(.key, headers: headers + seal.headers, body: [KeyFile.format] + sealed).text
  }

  private var headers: [Armour.Header] { [Armour.Header("kind", role.rawValue), Armour.Header("name", name)] }

  /// Reads a key's file.
  ///
  /// - Parameters:
  ///   - text: the file; the caller wipes it.
  ///   - passphrase: asked for only where the key is under one.
  /// - Throws: `armour.*`, `key.malformed`, `key.name`, `key.passphrase`, `passphrase.*`, and what `passphrase`
  ///   throws.
  public init(
    parsing text: [UInt8], passphrase: () throws(PosternError) -> SecretBytes
  ) throws(PosternError) {
    var armour = try Armour(parsing: text, expecting: .key)
    defer { wipe(&armour.body) }
    guard armour.headers.count >= 2, armour.headers[0].name == "kind", armour.headers[1].name == "name",
      let role = HolderRole(rawValue: armour.headers[0].value), armour.body.first == KeyFile.format
    else { throw .malformedKey }
    let name = armour.headers[1].value
    let master: MasterSecret
    if armour.headers.count == 2 {
      master = try KeyFile.readPlain(armour.body, role, name)
    } else {
      let seal = try PassphraseSeal(headers: armour.headers.dropFirst(2))
      let sealed = Array(armour.body.dropFirst())
      master = try seal.open(sealed, role: role, name: name, passphrase: passphrase())
    }
    try self.init(role: role, name: name, master: master)
  }

  private static func readPlain(
    _ body: [UInt8], _ role: HolderRole, _ name: String
  ) throws(PosternError) -> MasterSecret {
    guard body.count == 1 + MasterSecret.byteCount + checkByteCount else { throw .malformedKey }
    var secret = Array(body[1..<1 + MasterSecret.byteCount])
    defer { wipe(&secret) }
    let expected = secret.withUnsafeBytes { check(role, name, $0) }
    guard constantTimeEquals(expected, body.suffix(checkByteCount)) else { throw .malformedKey }
    return try MasterSecret(consuming: &secret)
  }

  private static func check(_ role: HolderRole, _ name: String, _ secret: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = SHA256()
    hash.update(label(role, name))
    hash.update(secret)
    return Array(hash.finish().bytes.prefix(checkByteCount))
  }

  /// What binds a secret to the lines above it: `str("postern/v1/key-file") ‖ str(kind) ‖ str(name)`.
  static func label(_ role: HolderRole, _ name: String) -> [UInt8] {
    var label: [UInt8] = []
    label.append(string: "postern/v1/key-file")
    label.append(string: role.rawValue)
    label.append(string: name)
    return label
  }
}
