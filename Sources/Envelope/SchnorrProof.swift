import Core
import Sodium

/// A proof that one secret number multiplies each of some bases to its image: `c ‖ z`, 64 bytes.
///
/// One base makes it Schnorr's proof of possession, two Chaum and Pedersen's of equal logarithms (DLEQ).
struct SchnorrProof: Hashable, Sendable {
  static let byteCount = 64

  private let challenge: Scalar
  private let response: Scalar

  /// A proof of two scalars that were read one after the other.
  init(challenge: Scalar, response: Scalar) {
    self.challenge = challenge
    self.response = response
  }

  /// A proof from its one encoding, unverified; nil for any other bytes.
  init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == SchnorrProof.byteCount, let challenge = Scalar(bytes.prefix(Scalar.byteCount)),
      let response = Scalar(bytes.suffix(Scalar.byteCount))
    else { return nil }
    self.challenge = challenge
    self.response = response
  }

  var bytes: [UInt8] { challenge.bytes + response.bytes }

  /// Whether the proof is of this statement, whose bases and images are given once more.
  func holds(of statement: [UInt8], _ relations: [(base: Point, image: Point)]) -> Bool {
    let announcements = relations.map { response * $0.base + challenge * $0.image }
    return challenge == SchnorrProof.challenge(of: statement, announcements)
  }

  fileprivate static func challenge(of statement: [UInt8], _ announcements: [Point]) -> Scalar {
    Scalar { hash in
      hash.append(statement)
      for announcement in announcements { hash.append(announcement) }
    }
  }
}

/// The statement that `images` are the same multiple of `bases`, bound to a tag and to some bytes.
struct EqualityStatement {
  fileprivate let relations: [(base: Point, image: Point)]
  fileprivate let bytes: [UInt8]

  /// `str(tag) ‖ bound ‖ P1 ‖ Q1 ‖ P2 ‖ Q2`.
  init(_ tag: Tag, bound: [UInt8], _ first: (base: Point, image: Point), _ second: (base: Point, image: Point)) {
    relations = [first, second]
    bytes = relations.reduce(into: tag.framed + bound) { bytes, relation in
      bytes.append(contentsOf: relation.base.bytes)
      bytes.append(contentsOf: relation.image.bytes)
    }
  }

  func isProven(by proof: SchnorrProof) -> Bool { proof.holds(of: bytes, relations) }
}

/// Makes proofs, in constant time, with one piece of locked memory for the nonce of each.
struct Prover: ~Copyable {
  private var nonce = SecretScalars(count: 1)

  /// Proves that a secret multiplies each of a statement's bases to its image.
  ///
  /// The nonce is a hash of the secret, fresh bytes and the statement: were the fresh bytes ever drawn
  /// twice, as in a machine restored from a snapshot, two statements would still have different nonces.
  mutating func prove(
    _ statement: [UInt8], bases: [Point], secret: borrowing SecretScalars, at index: Int,
    draws: inout some DrawSource
  ) -> SchnorrProof {
    withDraw(byteCount: 32, fill: { draws.fillNonce($0) }) { fresh in
      nonce.setHash(at: 0) { hash in
        hash.append(Tag.nonce.framed)
        secret.withUnsafeBytes(at: index) { hash.append($0) }
        hash.append(fresh)
        hash.append(statement)
      }
    }
    let challenge = SchnorrProof.challenge(of: statement, bases.map { nonce.multiple(of: $0, at: 0) })
    return SchnorrProof(
      challenge: challenge, response: nonce.response(at: 0, to: challenge, for: secret, at: index))
  }

  /// Proves a statement of equal multiples.
  mutating func prove(
    _ statement: EqualityStatement, secret: borrowing SecretScalars, at index: Int, draws: inout some DrawSource
  ) -> SchnorrProof {
    prove(statement.bytes, bases: statement.relations.map(\.base), secret: secret, at: index, draws: &draws)
  }
}
