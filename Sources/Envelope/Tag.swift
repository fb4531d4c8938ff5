import Core

/// The labels that keep one hash of this format from ever being another.
enum Tag: String {
  case generatorH = "postern/v1/envelope/generator-h"
  case nonce = "postern/v1/envelope/nonce"
  case coefficient = "postern/v1/envelope/coefficient"
  case signingKey = "postern/v1/key/signing"
  case shardKey = "postern/v1/key/shard"
  case veilKey = "postern/v1/key/veil"
  case stateSecret = "postern/v1/key/state"
  case possession = "postern/v1/envelope/possession"
  case kmsPossession = "postern/v1/envelope/kms-possession"
  case context = "postern/v1/envelope"
  case commitments = "postern/v1/envelope/commitments"
  case share = "postern/v1/envelope/share"
  case kms = "postern/v1/envelope/kms"
  case dual = "postern/v1/envelope/dual"
  case release = "postern/v1/envelope/release"
  case capsule = "postern/v1/capsule"
  case veilCommit = "postern/v1/veil/commit"
  case veil = "postern/v1/veil"
  case recoveryMember = "postern/v1/recovery/member"
  case recoveryVeil = "postern/v1/recovery/veil"
  case sealedRelease = "postern/v1/release"
  case sealedVeil = "postern/v1/release/veil"

  /// `str(tag)`: the start of every hashed or derived thing but the capsule key.
  var framed: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(string: rawValue)
    return bytes
  }
}
