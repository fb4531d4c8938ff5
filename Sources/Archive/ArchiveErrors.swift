public import Core
import Index
import Packs

extension PosternError.Code {
  /// The folder holds no archive's log key, or one of another log.
  public static let archiveLogKey: Self = "archive.log-key"
  /// Others than its owner have access to the file of the log's key.
  public static let archiveLogKeyOpen: Self = "archive.log-key-open"
  /// The index is behind the log that this archive has published.
  public static let archiveIndexBehind: Self = "archive.index-behind"
  /// The index and the published log tell two histories.
  public static let archiveTwoHistories: Self = "archive.two-histories"
  /// The archive stopped, because nobody could know what its disk holds.
  public static let archiveStopped: Self = "archive.stopped"
  /// Too many records that came from one address wait to be checked.
  public static let archiveBusy: Self = "archive.busy"
  /// A request was given up, or its time was over, while its record waited to be checked.
  public static let archiveGivenUp: Self = "archive.given-up"
  /// A request asks for more than an answer may hold.
  public static let archiveRequest: Self = "archive.request"

  /// An address has registered as many applications as it may in a day.
  public static let charterTooMany: Self = "charter.too-many"

  /// A begin's nonce is not this archive's, too old, or used before.
  public static let pushNonce: Self = "push.nonce"
  /// The archive has as many open pushes as it may.
  public static let pushTooMany: Self = "push.too-many"
  /// A push sent, or asked to send, more bytes than it may.
  public static let pushBudget: Self = "push.budget"
  /// An application has stored, or would store, more bytes than it may.
  public static let pushApplicationFull: Self = "push.application-full"
  /// An object's bytes do not hash to its id.
  public static let pushObjectId: Self = "push.object-id"
  /// An object is of a kind or size that no push may send.
  public static let pushObjectShape: Self = "push.object-shape"
  /// The epoch record does not belong to the push that was begun.
  public static let pushOtherEpoch: Self = "push.other-epoch"
  /// A node or what it names is not what the tree says.
  public static let pushTree: Self = "push.tree"
  /// The archive's disk has changed what a push brought or shares with older ones; the push is given up.
  public static let pushRotten: Self = "push.rotten"
  /// A body has a length that it may not have, does not match the digest in the record, or is a chunk or node of the
  /// generation at the same time.
  public static let pushBody: Self = "push.body"
}

extension PosternError {
  /// Whether nobody can know what the disk holds after it, so that the process has to end.
  var endsTheProcess: Bool {
    [.storageSyncFailed, .indexUnknownOutcome, .indexCheckpointMoved].contains(code)
  }

  /// What one more record is refused with while so many wait.
  static let busy = PosternError(
    .archiveBusy, "Too many records that came from your address wait to be checked.",
    advice: "Try again once the archive has answered some of them.")

  /// What a request is answered that nobody waits for any more.
  static let requestGivenUp = PosternError(
    .archiveGivenUp, "The request was given up, or its time was over, before its record was checked.",
    advice: "Send it again when the archive has less to check.")

  /// What a record is answered that came when the log had stopped, or was under way then.
  static func stopped(by cause: PosternError) -> PosternError {
    PosternError(
      .archiveStopped, "The archive stopped, because nobody can know what its disk holds (\(cause.code.rawValue)).",
      advice: "Ask again once it has started: what was admitted before gets its receipt then.")
  }
}
