public import Core

extension PosternError.Code {
  /// A record's bytes are not of the format.
  public static let recordMalformed: Self = "record.malformed"
  /// A record's format or kind is not known to this version.
  public static let recordUnknown: Self = "record.unknown-kind"
  /// A record's signature does not verify.
  public static let recordSignature: Self = "record.signature"
  /// A record's author may not sign such a record.
  public static let recordAuthor: Self = "record.author"
  /// A record is not the epoch's of the application that was expected.
  public static let recordOther: Self = "record.not-the-epoch"
  /// A body does not match the digest that names it.
  public static let bodyDigest: Self = "record.body-digest"

  /// A charter's bytes are not of the format.
  public static let charterMalformed: Self = "charter.malformed"
  /// A charter has too many or too few of something.
  public static let charterCount: Self = "charter.count"
  /// A name is empty, too long, twice in use, or holds control characters.
  public static let charterName: Self = "charter.name"
  /// A key stands in a charter twice.
  public static let charterKeyTwice: Self = "charter.key-twice"
  /// A signing key is none that a signature could verify under.
  public static let charterKey: Self = "charter.key"
  /// A holder's proof of possession does not verify.
  public static let charterPossession: Self = "charter.possession"
  /// A policy names somebody who is no member.
  public static let charterStranger: Self = "charter.stranger"
  /// A charter has neither door.
  public static let charterNoDoor: Self = "charter.no-door"
  /// Nobody could ever push, or ask the council.
  public static let charterNobody: Self = "charter.nobody"
  /// A charter's home is another log than the one that was asked to admit it.
  public static let charterHome: Self = "charter.home"
  /// The loss of a single member would freeze the application.
  public static let charterFragile: Self = "charter.fragile"
  /// A charter lacks a valid signature of a member that it names.
  public static let charterSignature: Self = "charter.signature"
  /// The application is registered already.
  public static let charterRegistered: Self = "charter.registered"
  /// The charter that a record was made under is no longer, or not yet, in force.
  public static let charterSuperseded: Self = "charter.superseded"

  /// The log knows no such application.
  public static let epochUnknownApplication: Self = "epoch.unknown-app"
  /// The epoch's number is taken.
  public static let epochTaken: Self = "epoch.taken"
  /// The epoch's number skips one.
  public static let epochSkipped: Self = "epoch.skipped"
  /// The epoch does not follow the newest one.
  public static let epochPrevious: Self = "epoch.previous"
  /// The state version went back.
  public static let epochVersion: Self = "epoch.version-went-back"
  /// The generation is neither the current one nor the next.
  public static let epochGeneration: Self = "epoch.generation"
  /// The veil is not the generation's, or not fresh.
  public static let epochVeil: Self = "epoch.veil"

  /// A signed begin's bytes are not of the format.
  public static let beginMalformed: Self = "push.begin-malformed"
  /// A signed begin's signature does not verify.
  public static let beginSignature: Self = "push.begin-signature"
  /// Who began the push may not push for the application.
  public static let beginAuthor: Self = "push.not-an-uploader"
  /// A recovery request is malformed, or not of this application or epoch.
  public static let requestMalformed: Self = "recovery.request-malformed"
  /// A member's answer is malformed or answers something else.
  public static let answerMalformed: Self = "recovery.answer-malformed"
}

extension PosternError {
  /// A leaf whose bytes are not of the format.
  static let malformedRecord = PosternError(
    .recordMalformed, "The record's bytes are not of the format.",
    advice: "Ask its sender for the original bytes.")

  /// A leaf of a format or kind that this version does not know.
  static let unknownRecord = PosternError(
    .recordUnknown, "The record is of a format or kind that this version does not know.",
    advice: "Install a newer version of the program.")
}
