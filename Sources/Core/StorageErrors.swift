extension PosternError.Code {
  /// The disk is full, or the user's quota of it; what was asked for was not done.
  public static let storageFull: Self = "storage.full"
  /// The file system gives no access.
  public static let storageDenied: Self = "storage.denied"
  /// The disk or file system failed; what was asked for was not done.
  public static let storageFailed: Self = "storage.failed"
}
