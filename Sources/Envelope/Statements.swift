import Core
import Sodium

/// The three statements of equal logarithms that the format knows.
extension EqualityStatement {
  /// A leaf's share is its commitment's exponent times the member's key.
  static func share(_ leaf: Int, of key: Point, _ commitment: Point, _ share: Point, bound: Digest) -> Self {
    EqualityStatement(
      .share, bound: bound.bytes + bytes(ofLeaf: leaf), (.generator, commitment), (key, share))
  }

  /// The KMS door's copy is the root commitment's exponent times the KMS's key.
  static func kms(of key: Point, _ commitment: Point, _ share: Point, bound: Digest) -> Self {
    EqualityStatement(.kms, bound: bound.bytes, (.generator, commitment), (key, share))
  }

  /// A leaf's dealt share is its opened share times the member's secret.
  static func release(
    _ leaf: Int, of key: Point, opened: Point, dealt: Point, context: Digest, envelope: Digest
  ) -> Self {
    EqualityStatement(
      .release, bound: context.bytes + envelope.bytes + bytes(ofLeaf: leaf), (.generatorH, key), (opened, dealt))
  }

  private static func bytes(ofLeaf leaf: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt16(leaf))
    return bytes
  }
}
