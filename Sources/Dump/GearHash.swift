import Bulk
import Core

/// The rolling hash that nominates cuts: public, without a key, a function of the last 64 bytes.
///
/// The state after a byte is `2 × state + table[byte]` modulo 2^64, so a byte leaves it after 64 more.
package enum GearHash {
  /// How many bytes a state is a function of.
  package static let windowByteCount = 64
  /// One position in so many is nominated.
  package static let nominationDistance = 32
  /// States below this are nominated: the highest bits are those that all 64 bytes have a part in.
  package static let nominationLimit = UInt64.max / UInt64(nominationDistance) + 1

  /// One word a byte: the first eight bytes of `SHA-256(str(label) ‖ byte)`.
  package static let table: [UInt64] = (0...UInt8.max).map { byte in
    var text: [UInt8] = []
    text.append(string: "postern/v1/dump/gear")
    return SHA256.hash(text + [byte]).prefix
  }

  /// The state after one more byte.
  package static func state(after byte: UInt8, _ state: UInt64) -> UInt64 {
    (state &<< 1) &+ table[Int(byte)]
  }

  /// The state before a byte's place, from the bytes in front of it that it is a function of.
  package static func state(before place: Int, in bytes: UnsafeRawBufferPointer) -> UInt64 {
    bytes[max(0, place - windowByteCount)..<place].reduce(0) { state(after: $1, $0) }
  }
}
