import Bulk
import Core
import Envelope
import Sodium

/// The draws of a vector: two counters over one seed, so that everything drawn can be repeated.
///
/// Only this module has it, and no other code of what ships takes draws from outside.
struct SeededDraws: DrawSource {
  private let seed: [UInt8]
  private var nonceCount: UInt32 = 0
  private var coefficientCount: UInt32 = 0

  init(seed: [UInt8]) {
    self.seed = seed
  }

  mutating func fillNonce(_ memory: UnsafeMutableRawBufferPointer) {
    let input = framed("postern/v1/test/random", nonceCount)
    nonceCount += 1
    memory.copyBytes(from: SHA256.hash(input).bytes)
  }

  mutating func fillCoefficient(_ memory: UnsafeMutableRawBufferPointer) {
    let input = framed("postern/v1/test/coefficient", coefficientCount)
    coefficientCount += 1
    memory.copyBytes(from: WideHash.hash(input))
  }

  private func framed(_ tag: String, _ count: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(string: tag)
    bytes.append(contentsOf: seed)
    bytes.append(bigEndian: count)
    return bytes
  }
}
