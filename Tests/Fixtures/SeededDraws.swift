import Envelope

/// Draws of proofs and dealings that a seed repeats.
struct SeededDraws: DrawSource {
  private var generator: SeededGenerator

  /// Draws that go on from a seed.
  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
  }

  mutating func fillNonce(_ memory: UnsafeMutableRawBufferPointer) {
    memory.copyBytes(from: generator.bytes(memory.count))
  }

  mutating func fillCoefficient(_ memory: UnsafeMutableRawBufferPointer) {
    memory.copyBytes(from: generator.bytes(memory.count))
  }
}
