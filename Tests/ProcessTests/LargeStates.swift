import Bulk
import Fixtures
import Foundation
import Glibc

extension Machine {
  private static let pieceByteCount = 1 << 20

  /// Writes a state that neither shrinks nor repeats itself, with little work for so many bytes.
  func writeState(_ name: String, mebibyteCount: Int, seed: UInt64 = 1) throws {
    let file = try Descriptor.output(path(name))
    var generator = SeededGenerator(seed: seed)
    var piece = generator.bytes(Machine.pieceByteCount)
    for number in 0..<mebibyteCount {
      // A number in each four KiB is enough to make every chunk another one.
      for start in stride(from: 0, to: piece.count, by: 4_096) {
        withUnsafeBytes(of: UInt64(number).bigEndian) { piece.replaceSubrange(start..<start + 8, with: $0) }
      }
      let count = piece.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
      guard count == piece.count else { throw Child.Failure(description: "\(name) could not be written") }
    }
  }

  /// Whether two files hold the same bytes.
  func sameBytes(_ one: String, _ other: String) throws -> Bool {
    let files = (try Descriptor.input(path(one)), try Descriptor.input(path(other)))
    var pieces = (
      [UInt8](repeating: 0, count: Machine.pieceByteCount), [UInt8](repeating: 0, count: Machine.pieceByteCount)
    )
    while true {
      let count = read(files.0.number, &pieces.0, Machine.pieceByteCount)
      guard count >= 0, read(files.1.number, &pieces.1, Machine.pieceByteCount) == count else { return false }
      guard count > 0 else { return true }
      guard pieces.0[..<count] == pieces.1[..<count] else { return false }
    }
  }
}
