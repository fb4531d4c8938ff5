public import Core

extension PosternError.Code {
  /// A charter file holds a signature that is none.
  public static let charterFileSignature: Self = "charter.file-signature"
  /// A charter is to be signed or registered by somebody whom it does not name for that.
  public static let charterSigner: Self = "charter.signer"

  /// The application has no council door.
  public static let recoveryNoDoor: Self = "recovery.no-council-door"
  /// A recovery request speaks of another application than the one that is known.
  public static let recoveryApplication: Self = "recovery.wrong-app"
  /// A recovery request is not signed by a requester of the charter.
  public static let recoveryRequester: Self = "recovery.requester"
  /// The parts of a recovery request or a blame do not belong together.
  public static let recoveryMismatch: Self = "recovery.mismatch"
  /// A key is not the one of a member that the charter names.
  public static let recoveryNotAMember: Self = "recovery.not-a-member"
  /// The secret is not the one that the request was written with.
  public static let recoverySecret: Self = "recovery.secret"
  /// An answer was made for another recovery, or is not signed by a member.
  public static let recoveryAnswer: Self = "recovery.answer"
  /// A member answered before; its first answer counts.
  public static let recoveryTwice: Self = "recovery.answered-twice"
  /// Good answers do not satisfy the recovery policy yet.
  public static let recoveryMissing: Self = "recovery.not-enough"
  /// Enough shares came, and nobody's copy of the veil secret.
  public static let recoveryNoVeil: Self = "recovery.no-veil-secret"
}

extension PosternError {
  /// Parts of a file that do not belong together.
  static func mismatch(_ message: String) -> PosternError {
    PosternError(.recoveryMismatch, message, advice: "Ask for the original file; do not release anything for this one.")
  }
}
