package import Sodium

extension Point {
  /// The second generator, on which shard keys and the dumps' secrets live; nobody knows its logarithm.
  package static let generatorH = Point(hashing: Tag.generatorH.rawValue)
}

/// The public half of a shard key: a point of ristretto255, 32 bytes.
public struct ShardPublicKey: Hashable, Sendable {
  /// How many bytes a key has.
  public static let byteCount = Point.byteCount
  let point: Point

  init(point: Point) {
    self.point = point
  }

  /// A key from its one encoding; nil for any other bytes, and for the identity.
  public init?(_ bytes: some Collection<UInt8>) {
    guard let point = Point(bytes) else { return nil }
    self.point = point
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { point.bytes }
}

/// The secret half of a shard key, which opens what was dealt to its holder.
public struct ShardKey: ~Copyable, Sendable {
  /// The public half.
  public let publicKey: ShardPublicKey
  /// A row of one.
  package let secret: SecretScalars

  /// - Precondition: the secret is not zero, which no hash is.
  init(secret: consuming SecretScalars) {
    precondition(!secret.isZero(at: 0))
    publicKey = ShardPublicKey(point: secret.multiple(of: .generatorH, at: 0))
    self.secret = secret
  }
}
