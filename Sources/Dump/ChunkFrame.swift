import Bulk
import Core

/// The layout of a chunk's message: `u8 coding ‖ u32 stored length ‖ stored bytes ‖ zeros`.
enum ChunkFrame {
  /// Coding and stored length.
  static let headerByteCount = 5

  /// How the stored bytes hold the state's.
  enum Coding: UInt8 {
    /// As they are.
    case raw = 0
    /// As one LZ4 block.
    case lz4 = 1
  }

  /// How many bytes an object has whose stored bytes are padded to so many.
  static func sealedByteCount(padded byteCount: Int) -> Int {
    headerByteCount + byteCount + AES256GCM.tagByteCount
  }

  /// Writes the five bytes in front.
  static func writeHeader(_ coding: Coding, storedByteCount: Int, to message: UnsafeMutableRawBufferPointer) {
    message[0] = coding.rawValue
    message.storeBytes(of: UInt32(storedByteCount).bigEndian, toByteOffset: 1, as: UInt32.self)
  }

  /// The coding and the stored bytes of a message, whose padding has been seen to be zeros and no longer than
  /// needed: a state has one form, and no byte of it is left for anyone to hide things in.
  ///
  /// - Throws: `dump.chunk-frame` for another coding, a stored length beyond the message, or other padding.
  static func read(
    _ message: UnsafeRawBufferPointer, stepByteCount: Int
  ) throws(PosternError) -> (coding: Coding, stored: UnsafeRawBufferPointer) {
    guard message.count > headerByteCount, let coding = Coding(rawValue: message[0]) else { throw .chunkFrame }
    let body = UnsafeRawBufferPointer(rebasing: message[headerByteCount...])
    let count = Int(UInt32(bigEndian: message.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
    guard count > 0, count <= body.count, body.count - count < stepByteCount else { throw .chunkFrame }
    guard body[count...].allSatisfy({ $0 == 0 }) else { throw .chunkFrame }
    return (coding, UnsafeRawBufferPointer(rebasing: body[..<count]))
  }
}
