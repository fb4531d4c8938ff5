import Bulk
import Core
import Sodium

/// Seals a secret for the state folder under a key that only the uploader's file gives.
///
/// `magic (16) ‖ salt (32) ‖ u32 length ‖ public part ‖ sealed secret`. Each file has a key of its own, from a
/// fresh salt, so the nonce is zeros; the tag binds everything in front.
struct StateSeal: ~Copyable {
  private static let saltByteCount = 32

  private let key: SecretBytes
  private let app: Digest

  /// A seal for one application's files.
  ///
  /// - Parameter key: 32 bytes that nobody else can derive.
  init(key: consuming SecretBytes, app: Digest) {
    self.key = key
    self.app = app
  }

  /// The bytes of a file.
  borrowing func seal(_ secret: borrowing SecretBytes, publicPart: [UInt8]) -> [UInt8] {
    let salt = randomBytes(StateSeal.saltByteCount)
    var bytes = StateFiles.magic + salt
    bytes.append(bigEndian: UInt32(publicPart.count))
    bytes += publicPart
    var sealed = [UInt8](repeating: 0, count: secret.count + AES256GCM.tagByteCount)
    var cipher = AES256GCM()
    fileKey(salt).withUnsafeBytes { key in
      secret.withUnsafeBytes { secret in
        bytes.withUnsafeBytes { bytes in
          sealed.withUnsafeMutableBytes { cipher.seal(secret, key: key, associatedData: bytes, into: $0) }
        }
      }
    }
    return bytes + sealed
  }

  /// What ``seal(_:publicPart:)`` was given.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - secretByteCount: how long the secret is.
  ///   - path: where it lies, for the error.
  /// - Throws: `state.malformed`, `state.does-not-open`.
  borrowing func open(
    _ bytes: [UInt8], secretByteCount: Int, path: String
  ) throws(PosternError) -> OpenedState {
    var reader = ByteReader(bytes)
    let salt: [UInt8]
    let publicPart: [UInt8]
    let sealed: ArraySlice<UInt8>
    do {
      guard try reader.read(StateFiles.magic.count).elementsEqual(StateFiles.magic) else {
        throw PosternError.stateMalformed(path)
      }
      salt = Array(try reader.read(StateSeal.saltByteCount))
      publicPart = Array(try reader.read(Int(try reader.read(UInt32.self))))
      sealed = try reader.read(secretByteCount + AES256GCM.tagByteCount)
      try reader.finish()
    } catch {
      throw .stateMalformed(path)
    }
    let front = bytes[..<sealed.startIndex]
    let secret = try SecretBytes(count: secretByteCount) { memory throws(PosternError) in
      var cipher = AES256GCM()
      let opens = fileKey(salt).withUnsafeBytes { key in
        sealed.withUnsafeBytes { sealed in
          front.withUnsafeBytes { cipher.open(sealed, key: key, associatedData: $0, into: memory) }
        }
      }
      guard opens else { throw .generationSealed(path) }
    }
    return OpenedState(publicPart: publicPart, secret: secret)
  }

  private borrowing func fileKey(_ salt: [UInt8]) -> SecretBytes {
    derive("postern/v1/state/file", salt: salt)
  }

  /// A key of 32 bytes that is the uploader's own, for the application and one purpose.
  borrowing func derive(_ purpose: String, salt: [UInt8]) -> SecretBytes {
    var info: [UInt8] = []
    info.append(string: purpose)
    info.append(app)
    return key.withUnsafeBytes { input in
      SecretBytes(count: AES256GCM.keyByteCount) { HKDF.derive(inputKey: input, salt: salt, info: info, into: $0) }
    }
  }
}

/// What a sealed file of the state folder holds.
struct OpenedState: ~Copyable {
  let publicPart: [UInt8]
  let secret: SecretBytes
}
