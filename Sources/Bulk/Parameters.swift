import CCrypto

/// The parameters that libcrypto's algorithms take.
///
/// `OSSL_PARAM` keeps a pointer to its name, so the names are static strings: a Swift string handed to C
/// would be gone when the call that builds the parameter returns.
enum Parameters {
  private static let digestName: StaticString = "digest"
  private static let keyName: StaticString = "key"
  private static let saltName: StaticString = "salt"
  private static let infoName: StaticString = "info"
  private static let sha256: StaticString = "SHA2-256"

  /// The hash inside a derivation or a code: SHA-256.
  static var digest: OSSL_PARAM {
    OSSL_PARAM_construct_utf8_string(
      pointer(to: digestName), UnsafeMutablePointer(mutating: pointer(to: sha256)), 0)
  }

  /// The input keying material, which has to outlive the parameter.
  static func key(_ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM { octets(keyName, bytes) }

  /// The salt, which has to outlive the parameter.
  static func salt(_ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM { octets(saltName, bytes) }

  /// The context, which has to outlive the parameter.
  static func info(_ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM { octets(infoName, bytes) }

  /// What ends a list of parameters.
  static var end: OSSL_PARAM { OSSL_PARAM_construct_end() }

  /// libcrypto reads these bytes and takes the pointer as one it might write to only because results travel
  /// in the same structure.
  private static func octets(_ name: StaticString, _ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM {
    OSSL_PARAM_construct_octet_string(
      pointer(to: name), UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
  }

  private static func pointer(to text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
