package import Core
package import Records
package import Trust

/// An epoch whose receipt was verified and kept.
struct AdmittedEpoch: Sendable {
  let app: Digest
  let fields: EpochFields
  /// The hash of the leaf that the receipt proves.
  let leafHash: Digest
  let leafIndex: UInt64
  let checkpointSize: UInt64
  let receiptPath: String
  let opening: GenerationOpening?

  /// The epoch, for those who remember it.
  var seen: SeenEpoch { SeenEpoch(number: fields.number, leafHash: leafHash) }

  /// What the push did.
  ///
  /// - Parameters:
  ///   - traffic: what was read and sent.
  ///   - previous: the epoch that was the newest when the push began.
  ///   - isRepeat: whether this epoch had been admitted before.
  func report(_ traffic: PushProgress, after previous: EpochFields?, isRepeat: Bool = false) -> PushReport {
    let other = previous.flatMap { previous in
      previous.number != fields.number && previous.stateVersion == fields.stateVersion ? previous.number : nil
    }
    return PushReport(
      app: app, epoch: fields.number, generation: fields.generation, opening: opening,
      stateVersion: fields.stateVersion, commitment: fields.commitment, root: fields.root, leafIndex: leafIndex,
      checkpointSize: checkpointSize, receiptPath: receiptPath, previousOfSameVersion: other,
      isRepeat: isRepeat, traffic: traffic)
  }
}

extension PendingEpoch {
  /// The fields of the record that a receipt shows, which has to be this one, or its repeat by the same uploader:
  /// then the archive had admitted it before, with another envelope for the same dump.
  ///
  /// - Throws: `push.receipt`; `record.*` for a record that is none.
  package func admittedFields(in receipt: Receipt) throws(PosternError) -> EpochFields {
    guard receipt.proven.leaf != leaf else { return fields }
    let other = try Record(parsing: receipt.proven.leaf)
    try other.verifySignature()
    guard case .epoch(let fields) = other.fields, other.epochIdentity == record.epochIdentity,
      fields.commitment == self.fields.commitment, fields.generation == self.fields.generation
    else {
      throw PosternError(
        .pushReceipt, "The archive gave a receipt for another record than the one that was sent.",
        advice: "Do not rely on it: run the push again, and tell the archive's operator.")
    }
    return fields
  }
}
