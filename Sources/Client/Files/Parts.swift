import Core

/// Byte strings one after the other, each behind its length: what is inside an armoured file of several parts.
///
/// `u32 length ‖ bytes`, as often as the kind of file says (`Schema/recovery.md`).
enum Parts {
  /// The parts in one piece.
  static func encode(_ parts: [[UInt8]]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(parts.reduce(0) { $0 + 4 + $1.count })
    for part in parts {
      bytes.append(bigEndian: UInt32(part.count))
      bytes += part
    }
    return bytes
  }

  /// Exactly as many parts as the kind of file has.
  ///
  /// - Throws: `armour.malformed` where there are fewer or more, or one is cut short.
  static func decode(_ bytes: [UInt8], count: Int, of kind: Armour.Kind) throws(PosternError) -> [[UInt8]] {
    var reader = ByteReader(bytes)
    do {
      let parts = try (0..<count).map { _ in Array(try reader.read(Int(try reader.read(UInt32.self)))) }
      try reader.finish()
      return parts
    } catch {
      throw .malformedArmour("A POSTERN \(kind.label) file does not hold the \(count) parts that it should.")
    }
  }
}
