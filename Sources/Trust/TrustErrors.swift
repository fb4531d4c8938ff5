public import Core

extension PosternError.Code {
  /// A source does not have what it was asked for.
  public static let sourceAbsent: Self = "source.absent"
  /// What a source sent does not hash to the id that was asked for.
  public static let sourceMismatch: Self = "source.mismatch"
  /// A source sent something that nobody asked for, or sent it twice.
  public static let sourceUnasked: Self = "source.unasked"
  /// A question to a source is larger than it may be.
  public static let sourceLimit: Self = "source.limit"
  /// A receipt does not carry the entry that it is for.
  public static let receiptLeaf: Self = "receipt.leaf"
}
