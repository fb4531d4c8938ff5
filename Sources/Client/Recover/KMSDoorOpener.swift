public import Core
import Envelope

/// Opens the KMS door: with the key that a key-management service provisions, and nobody else's help.
public enum KMSDoorOpener {
  /// Opens an epoch.
  ///
  /// - Parameters:
  ///   - sealed: the epoch, its envelope verified.
  ///   - key: the key of the KMS door, of role `kms`.
  /// - Throws: `key.role`; `envelope.key` when the charter has no KMS door or another key's; `veil.*` when the
  ///   veil's copy does not open.
  public static func open(
    _ sealed: SealedEpoch, key: borrowing KeyFile
  ) throws(PosternError) -> DoorOpening {
    try key.require(.kms)
    let secret = try sealed.envelope.openKMSDoor(with: key.master.shardKey())
    let veilSecret = try sealed.veil.open(.kms, with: key.master.veilKey(), context: sealed.veilContext)
    let capsuleKey = secret.capsuleKey(veil: veilSecret, envelope: sealed.envelope.digest)
    return DoorOpening(
      app: sealed.application.app, charter: sealed.application.charter, epoch: sealed.epoch.fields,
      epochLeafHash: sealed.epoch.leafHash, capsuleKey: capsuleKey, veilSecret: veilSecret)
  }
}
