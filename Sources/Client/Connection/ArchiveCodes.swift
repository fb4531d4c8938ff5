import Core

/// What archives answer with, where the client acts on it; they are an archive's codes, and known here by name only.
extension PosternError.Code {
  /// The archive does not have it.
  static let archiveNotFound: Self = "archive.not-found"
  /// An epoch that was asked after was surely not admitted.
  static let epochNotAdmitted: Self = "epoch.not-admitted"
  /// No open push has the token.
  static let pushUnknown: Self = "push.unknown"
  /// A newer begin with the same uploader's key took this push's place.
  static let pushFenced: Self = "push.fenced"
  /// The push of the token has ended.
  static let pushEnded: Self = "push.ended"
  /// The archive lacks objects that the dump's tree names.
  static let pushIncomplete: Self = "push.incomplete"
}
