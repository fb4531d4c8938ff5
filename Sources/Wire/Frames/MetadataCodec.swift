import GRPCCore
import NIOCore

/// gRPC metadata in a frame: `u16` count, then for each pair `u16` key length, key, `u16` value length, value.
///
/// As in gRPC, a key that ends in `-bin` has a value of any bytes, here as they are; all other values are printable
/// ASCII. Keys are lower case. `grpc-timeout` and its like travel as any other pair.
enum MetadataCodec {
  /// Reads the pairs up to the count; whatever follows is the caller's.
  static func decode(_ buffer: inout ByteBuffer) throws(CloseReason) -> Metadata {
    let count = Int(try length(&buffer))
    guard count <= WireFormat.metadataPairLimit else { throw .tooLong }
    var metadata = Metadata()
    metadata.reserveCapacity(count)
    for _ in 0..<count {
      guard let keyBytes = buffer.readBytes(length: Int(try length(&buffer))), isKey(keyBytes) else {
        throw .malformed
      }
      guard let value = buffer.readBytes(length: Int(try length(&buffer))) else { throw .malformed }
      let key = String(decoding: keyBytes, as: UTF8.self)
      if key.hasSuffix("-bin") {
        metadata.addBinary(value, forKey: key)
      } else {
        guard isPrintable(value) else { throw .malformed }
        metadata.addString(String(decoding: value, as: UTF8.self), forKey: key)
      }
    }
    return metadata
  }

  /// Writes the pairs.
  ///
  /// - Throws: `RPCError` with `invalidArgument` when a pair cannot be sent: it is the caller's mistake.
  static func encode(_ metadata: Metadata, into buffer: inout ByteBuffer) throws(RPCError) {
    guard metadata.count <= WireFormat.metadataPairLimit else { throw invalid("There are too many pairs.") }
    buffer.writeInteger(UInt16(metadata.count))
    for (key, value) in metadata {
      let key = key.lowercased()
      let value = try bytes(of: value, key: key)
      guard isKey(Array(key.utf8)) else { throw invalid("A key has characters that keys may not have.") }
      guard value.count <= WireFormat.headerCeiling - 1 else { throw invalid("A value is too long.") }
      buffer.writeInteger(UInt16(key.utf8.count))
      buffer.writeString(key)
      buffer.writeInteger(UInt16(value.count))
      buffer.writeBytes(value)
    }
  }

  private static func bytes(of value: Metadata.Value, key: String) throws(RPCError) -> [UInt8] {
    switch value {
    case .binary(let bytes):
      return bytes
    case .string(let text) where key.hasSuffix("-bin"):
      // GRPCCore's convention: a text under such a key is the base64 of its bytes.
      let decoded = Metadata([(key: key, value: .string(text))])[binaryValues: key].first { _ in true }
      guard let decoded else { throw invalid("The value of a -bin key is not base64.") }
      return decoded
    case .string(let text):
      let bytes = Array(text.utf8)
      guard isPrintable(bytes) else { throw invalid("A value is not printable ASCII.") }
      return bytes
    }
  }

  private static func isKey(_ bytes: [UInt8]) -> Bool {
    (1...WireFormat.metadataKeyLimit).contains(bytes.count)
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
      }
  }

  private static func isPrintable(_ bytes: [UInt8]) -> Bool {
    bytes.allSatisfy { (0x20...0x7E).contains($0) }
  }

  private static func length(_ buffer: inout ByteBuffer) throws(CloseReason) -> UInt16 {
    guard let value = buffer.readInteger(as: UInt16.self) else { throw .malformed }
    return value
  }

  private static func invalid(_ why: String) -> RPCError {
    RPCError(code: .invalidArgument, message: "Metadata cannot be sent. \(why)")
  }
}
