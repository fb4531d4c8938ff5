public import Core

extension PosternError.Code {
  /// What an archive shows is not of the application that was asked for.
  public static let viewApplication: Self = "view.application"
  /// What an archive shows is another kind of record, or another epoch, than was asked for.
  public static let viewRecord: Self = "view.record"
  /// The application has no epoch yet.
  public static let viewNoEpoch: Self = "view.no-epoch"
  /// An archive shows an older epoch as the newest than this machine has seen.
  public static let viewRolledBack: Self = "view.rolled-back"
  /// An archive's address cannot be read.
  public static let addressMalformed: Self = "address.malformed"
  /// An archive's answer is not of the shape that the protocol gives it.
  public static let answerShape: Self = "wire.answer"
}
