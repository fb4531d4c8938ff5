public import Core

extension PosternError.Code {
  /// A TLS file cannot be read or used.
  public static let wireTLS: Self = "wire.tls"
  /// The other side cannot be reached, or the connection broke; trying again may help.
  public static let wireUnavailable: Self = "wire.unavailable"
  /// The call took longer than its timeout.
  public static let wireDeadline: Self = "wire.deadline"
  /// The call was cancelled by the other side.
  public static let wireCancelled: Self = "wire.cancelled"
  /// The other side does not know the method: it runs another version.
  public static let wireUnimplemented: Self = "wire.unimplemented"
  /// A message or its metadata is larger than one side accepts.
  public static let wireTooLarge: Self = "wire.too-large"
  /// A message does not read as its format says.
  public static let wireMalformed: Self = "wire.malformed"
  /// An archive refused with a code that is not for an archive to find.
  public static let wireRefusal: Self = "wire.refusal"
  /// Something broke on the other side.
  public static let wireInternal: Self = "wire.internal"
}
