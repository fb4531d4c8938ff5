import Benchmark
import Bulk
import Dump
import Sodium

/// Sixteen mebibytes, which every benchmark of bytes works on; throughput times this is bytes a second.
private let byteCount = 16 << 20

/// Cutting, fingerprinting, sealing and opening on one thread.
func chunkBenchmarks() {
  let state = mixedState(byteCount: byteCount)
  let chunkers: [(name: String, parameters: ChunkerParameters)] = [
    ("fixed 4 KiB", .fixed(.kib4)), ("fixed 16 KiB", .fixed(.kib16)), ("content 16 KiB", .content(.kib16)),
  ]
  for (name, parameters) in chunkers {
    Benchmark("chunk 16 MiB, \(name)") { benchmark in
      for _ in benchmark.scaledIterations { blackHole(cut(state, parameters)) }
    }
    let cuts = cut(state, parameters)
    Benchmark("fingerprint 16 MiB, \(name)") { benchmark in
      var fingerprinter = Fingerprinter(key: FingerprintKey(.random(count: FingerprintKey.byteCount)))
      state.withUnsafeBytes { state in
        for _ in benchmark.scaledIterations {
          for cut in cuts { blackHole(fingerprinter.fingerprint(UnsafeRawBufferPointer(rebasing: state[cut]))) }
        }
      }
    }
    Benchmark("seal 16 MiB, \(name)") { benchmark in
      var sealer = ChunkSealer(secret: secret(), chunker: parameters)
      state.withUnsafeBytes { state in
        for _ in benchmark.scaledIterations { blackHole(sealer.seal(cuts, of: state)) }
      }
    }
    var sealer = ChunkSealer(secret: secret(), chunker: parameters)
    let batch = state.withUnsafeBytes { sealer.seal(cuts, of: $0) }
    Benchmark("open 16 MiB, \(name)") { benchmark in
      var opener = ChunkOpener(chunker: parameters)
      var output = [UInt8](repeating: 0, count: DumpLimits.chunkByteCount)
      try batch.bytes.withUnsafeBytes { bytes in
        for _ in benchmark.scaledIterations {
          for chunk in batch.chunks {
            try output.withUnsafeMutableBytes { output in
              let room = UnsafeMutableRawBufferPointer(rebasing: output[..<chunk.reference.plainByteCount])
              try opener.open(UnsafeRawBufferPointer(rebasing: bytes[chunk.range]), chunk.reference, into: room)
            }
          }
        }
      }
      blackHole(output)
    }
  }
}

/// A state of which half compresses.
func mixedState(byteCount: Int) -> [UInt8] {
  var state = randomBytes(byteCount)
  for start in stride(from: 0, to: byteCount, by: 8_192) {
    for offset in start..<min(start + 4_096, byteCount) { state[offset] = UInt8(truncatingIfNeeded: offset >> 4) }
  }
  return state
}

/// A generation's secret; a value with one owner goes into no closure, so each takes its own.
private func secret() -> GenerationSecret { .random() }

private func cut(_ state: [UInt8], _ parameters: ChunkerParameters) -> [Range<Int>] {
  var chunker = Chunker(parameters, secret: secret())
  var cuts: [Range<Int>] = []
  state.withUnsafeBytes { _ = chunker.cut($0, isEnd: true, into: &cuts) }
  return cuts
}
