/// How many of an application's epochs are kept, counted from its newest: derived from the log, by everyone alike.
public struct Retention: Hashable, Sendable {
  /// How many the charter keeps; 0 for all.
  public let epochCount: UInt64
  /// The application's newest epoch.
  public let newestEpoch: UInt64

  /// What a charter keeps.
  ///
  /// - Parameters:
  ///   - charter: the charter in force.
  ///   - newestEpoch: the application's newest epoch.
  public init(under charter: Charter, newestEpoch: UInt64) {
    epochCount = charter.retentionEpochs
    self.newestEpoch = newestEpoch
  }

  /// The newest epoch that need not be kept; nil where all are.
  public var expiredEpoch: UInt64? {
    epochCount > 0 && newestEpoch > epochCount ? newestEpoch - epochCount : nil
  }

  /// Whether an epoch is kept.
  public func keeps(_ epoch: UInt64) -> Bool { epoch > expiredEpoch ?? 0 }
}
