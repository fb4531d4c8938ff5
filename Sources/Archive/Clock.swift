import Glibc

/// The archive's clock: for idle pushes and nonces, never for a rule of the log.
enum Clock {
  /// Seconds since 1970.
  static var nowSeconds: UInt64 { UInt64(max(0, time(nil))) }
}
