/// Limits that the protocol or a format fixes and that several modules keep: `Schema/wire.md` and `Schema/dump.md` have
/// them in words.
public enum ProtocolLimits {
  /// The most bytes of state that one dump holds, and of one file in it: 1 PiB.
  public static let stateByteCount = 1 << 50
  /// The most objects in one batch.
  public static let batchObjectCount = 16_384
  /// The most bytes of objects in one batch, unless it is one object alone: 1 MiB.
  public static let batchByteCount = 1 << 20
  /// What a batch's message takes for an object beside its bytes, at most: id, kind and length.
  public static let batchedObjectHeadByteCount = 37
  /// What a batch's message takes beside its objects, at most: a token, and where the fields begin.
  public static let batchHeadByteCount = 128
  /// The most ids in one question for missing objects.
  public static let missingIdCount = 16_384
  /// The most ids in one request for objects.
  public static let requestedIdCount = 4_096
  /// The most rows on one page of a list.
  public static let pageRowCount = 1_000
}
