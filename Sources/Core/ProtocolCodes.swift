/// What an archive answers with and a client acts on: both spell these codes here, and nowhere else.
extension PosternError.Code {
  /// The log has no such entry, tile or checkpoint, or the archive no such epoch or object: it may have been collected.
  public static let archiveNotFound: Self = "archive.not-found"
  /// An epoch that was asked after was not admitted, and no seal of it is under way.
  public static let epochNotAdmitted: Self = "epoch.not-admitted"
  /// No open push has this token.
  public static let pushUnknown: Self = "push.unknown"
  /// A newer begin with the same uploader's key took this push's place.
  public static let pushFenced: Self = "push.fenced"
  /// The push is over, was given up, or never was.
  public static let pushEnded: Self = "push.ended"
  /// The dump is not complete: a tree names an object that the archive lacks.
  public static let pushIncomplete: Self = "push.incomplete"
}
