import CSodium

/// libsodium, initialised before anything of it is used.
///
/// `sodium_init` picks the fastest code for the processor and opens the source of random bytes; it may be
/// called from several threads, but must have returned once before any other call.
enum Library {
  /// Initialises the library at the first touch; Swift runs it once.
  static let ready: Void = {
    precondition(sodium_init() >= 0, "libsodium could not be initialised")
  }()
}

/// Uniformly random bytes from the operating system's source.
///
/// - Parameter count: how many bytes.
public func randomBytes(_ count: Int) -> [UInt8] {
  Library.ready
  return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    if let base = buffer.baseAddress { randombytes_buf(base, count) }
    initialized = count
  }
}

/// Fills memory with uniformly random bytes from the operating system's source.
public func fillRandom(_ memory: UnsafeMutableRawBufferPointer) {
  Library.ready
  guard let base = memory.baseAddress else { return }
  randombytes_buf(base, memory.count)
}

/// Whether two byte strings are equal, in time that depends on their length only.
public func constantTimeEquals(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  Library.ready
  let left = Array(left)
  let right = Array(right)
  guard left.count == right.count else { return false }
  return sodium_memcmp(left, right, left.count) == 0
}

/// Overwrites memory with zeros in a way that the optimiser does not remove.
public func wipe(_ memory: UnsafeMutableRawBufferPointer) {
  guard let base = memory.baseAddress else { return }
  sodium_memzero(base, memory.count)
}

/// Overwrites all memory of an array with zeros, also where bytes lay that were removed from its end, and empties it.
///
/// Copies that were made of the array before are other memory and stay; keep secrets in ``SecretBytes``.
public func wipe(_ bytes: inout [UInt8]) {
  // So many zeros more fit in where the array is.
  bytes.append(contentsOf: repeatElement(0, count: bytes.capacity - bytes.count))
  bytes.withUnsafeMutableBytes { wipe($0) }
  bytes.removeAll(keepingCapacity: true)
}

extension UnsafeRawBufferPointer {
  /// The address as libsodium takes it.
  ///
  /// - Precondition: the buffer is not empty.
  var octets: UnsafePointer<UInt8> {
    guard let base = bindMemory(to: UInt8.self).baseAddress else {
      preconditionFailure("an empty buffer has no address")
    }
    return base
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The address as libsodium takes it.
  ///
  /// - Precondition: the buffer is not empty.
  var octets: UnsafeMutablePointer<UInt8> {
    guard let base = bindMemory(to: UInt8.self).baseAddress else {
      preconditionFailure("an empty buffer has no address")
    }
    return base
  }
}
