public import Core
import Sodium

/// A signature that was checked.
public struct VerifiedSignature: Hashable, Sendable {
  /// Whose it is.
  public let key: NoteVerifier
  /// When a cosigner says it signed, in seconds since 1970; nil for a log's own signature.
  ///
  /// A claim of the cosigner: no rule here reads a clock.
  public let timeSeconds: UInt64?
}

extension SignedNote {
  /// Checks the signatures by known keys; those by others are ignored.
  ///
  /// - Parameter keys: the keys that are trusted.
  /// - Returns: one entry for each key that signed, in the order of `keys`, so that counting entries counts
  ///   keys; of several cosignatures by one key the one with the latest time.
  /// - Throws: `log.signature` with the line's place when a line names a known key and is not its signature,
  ///   `log.unsigned` when no known key signed, `log.key-ambiguous` when two keys have the same name and id.
  public func verified(by keys: [NoteVerifier]) throws(PosternError) -> [VerifiedSignature] {
    var found: [Int: VerifiedSignature] = [:]
    for (line, signature) in signatures.enumerated() {
      guard let place = try Self.place(of: signature, in: keys) else { continue }
      guard let verified = keys[place].verify(signature, over: text) else {
        throw PosternError(
          .logSignature, "The signature of \(signature.name) is not by its key.",
          advice: "The note was altered or forged; ask another source.", index: line)
      }
      if found[place].map({ ($0.timeSeconds ?? 0) >= (verified.timeSeconds ?? 0) }) != true {
        found[place] = verified
      }
    }
    guard !found.isEmpty else {
      throw PosternError(
        .logUnsigned, "No known key signed the note.", advice: "Check the verifier keys that you trust.")
    }
    return found.sorted { $0.key < $1.key }.map(\.value)
  }

  private static func place(of signature: NoteSignature, in keys: [NoteVerifier]) throws(PosternError) -> Int? {
    let places = keys.indices.filter { keys[$0].isNamed(by: signature) }
    guard places.allSatisfy({ keys[$0] == keys[places[0]] }) else {
      throw PosternError(
        .logKeyAmbiguous, "Two known keys have the name \(signature.name) and the same id.",
        advice: "Remove one of them: an honest pair cannot collide.")
    }
    return places.first
  }
}

extension NoteVerifier {
  /// The signature with what it says; nil where it is not this key's over the text.
  fileprivate func verify(_ signature: NoteSignature, over text: [UInt8]) -> VerifiedSignature? {
    switch type {
    case .ed25519:
      guard let ed25519 = Signature(signature.bytes), key.verifies(ed25519, over: text) else { return nil }
      return VerifiedSignature(key: self, timeSeconds: nil)
    case .cosignature:
      guard let cosignature = Cosignature(signature.bytes),
        key.verifies(cosignature.signature, over: cosignedMessage(text, timeSeconds: cosignature.timeSeconds))
      else { return nil }
      return VerifiedSignature(key: self, timeSeconds: cosignature.timeSeconds)
    }
  }
}

/// What a cosigner's line holds: a big-endian `u64` time, then an Ed25519 signature (C2SP tlog-cosignature).
private struct Cosignature {
  let timeSeconds: UInt64
  let signature: Signature

  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard let time = try? reader.read(UInt64.self), time <= maximumTimeSeconds,
      let rest = try? reader.read(Signature.byteCount), let signature = Signature(rest), reader.remaining == 0
    else { return nil }
    timeSeconds = time
    self.signature = signature
  }
}

/// The latest time that a cosignature can carry: 2^63 − 1.
let maximumTimeSeconds = UInt64(Int64.max)

/// The bytes that a cosigner signs: a header that no note starts with, the time, the note's text.
func cosignedMessage(_ text: [UInt8], timeSeconds: UInt64) -> [UInt8] {
  Array("cosignature/v1\ntime \(timeSeconds)\n".utf8) + text
}
