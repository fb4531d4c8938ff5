extension UnsafeRawBufferPointer {
  /// The address as libcrypto takes it.
  ///
  /// - Precondition: the buffer is not empty.
  var octets: UnsafePointer<UInt8> {
    guard let base = baseAddress else { preconditionFailure("an empty buffer has no address") }
    return base.assumingMemoryBound(to: UInt8.self)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The address as libcrypto takes it.
  ///
  /// - Precondition: the buffer is not empty.
  var octets: UnsafeMutablePointer<UInt8> {
    guard let base = baseAddress else { preconditionFailure("an empty buffer has no address") }
    return base.assumingMemoryBound(to: UInt8.self)
  }
}
