public import Core

extension PosternError.Code {
  /// The cost that stands beside a sealed key is outside the limits.
  public static let passphraseCost: Self = "passphrase.cost"
  /// The memory that the cost asks for cannot be had.
  public static let passphraseMemory: Self = "passphrase.memory"
}
