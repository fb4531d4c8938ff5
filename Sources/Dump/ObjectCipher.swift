import Bulk
package import Core

/// What a derived key is for: its text is hashed first, so that a chunk and a node never share a key.
package enum ObjectPurpose: String, Sendable {
  /// A chunk's key.
  case chunk = "postern/v1/dump/chunk"
  /// A node's key.
  case node = "postern/v1/dump/node"
}

/// Turns `public part ‖ message ‖ room for a tag` into an object, in place.
///
/// The key is HMAC-SHA-256 under the generation secret over the purpose and over exactly what the key will
/// seal and bind; so it seals that one message, and the nonce can be zeros.
package struct ObjectSealer: ~Copyable, Sendable {
  private var code: HMACSHA256
  private var cipher = AES256GCM()
  private var hash = SHA256()
  /// `str(purpose)`.
  private let label: [UInt8]

  package init(secret: borrowing GenerationSecret, purpose: ObjectPurpose) {
    code = secret.withUnsafeBytes { HMACSHA256(key: $0) }
    var label: [UInt8] = []
    label.append(string: purpose.rawValue)
    self.label = label
  }

  /// Seals the object in place.
  ///
  /// - Parameters:
  ///   - object: public part, message, then 16 bytes for the tag.
  ///   - publicByteCount: how many bytes at the front stay readable and are bound.
  /// - Returns: the object's id and key.
  package mutating func seal(
    _ object: UnsafeMutableRawBufferPointer, publicByteCount: Int
  ) -> (id: Digest, key: ObjectKey) {
    let publicPart = UnsafeRawBufferPointer(rebasing: object[..<publicByteCount])
    let sealedPart = UnsafeMutableRawBufferPointer(rebasing: object[publicByteCount...])
    let message = UnsafeRawBufferPointer(rebasing: sealedPart.dropLast(AES256GCM.tagByteCount))
    let key = deriveKey(message: message, publicPart: publicPart)
    key.withUnsafeBytes {
      cipher.seal(message, key: $0, associatedData: publicPart, into: sealedPart)
    }
    hash.update(UnsafeRawBufferPointer(object))
    return (hash.finish(), key)
  }

  private mutating func deriveKey(
    message: UnsafeRawBufferPointer, publicPart: UnsafeRawBufferPointer
  ) -> ObjectKey {
    label.withUnsafeBytes { code.update($0) }
    withUnsafeBytes(of: UInt32(message.count).bigEndian) { code.update($0) }
    code.update(message)
    code.update(publicPart)
    var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    return withUnsafeMutableBytes(of: &words) { output in
      code.finish(into: output)
      return ObjectKey(UnsafeRawBufferPointer(output).bytes)
    }
  }
}

/// Checks an object against its reference and opens it.
struct ObjectOpener: ~Copyable, Sendable {
  private var cipher = AES256GCM()
  private var hash = SHA256()

  /// Refuses bytes that are not those that the reference names.
  mutating func check(
    _ object: UnsafeRawBufferPointer, id: Digest, sealedByteCount: Int
  ) throws(PosternError) {
    guard object.count == sealedByteCount else { throw .objectLength(id) }
    hash.update(object)
    guard hash.finish() == id else { throw .wrongID(id) }
  }

  /// Opens the part behind the public one; `output` has 16 bytes less than that part.
  mutating func open(
    _ object: UnsafeRawBufferPointer, key: ObjectKey, publicByteCount: Int,
    into output: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    let publicPart = UnsafeRawBufferPointer(rebasing: object[..<publicByteCount])
    let sealedPart = UnsafeRawBufferPointer(rebasing: object[publicByteCount...])
    let opens = key.withUnsafeBytes {
      cipher.open(sealedPart, key: $0, associatedData: publicPart, into: output)
    }
    guard opens else { throw .objectSealed }
  }
}
