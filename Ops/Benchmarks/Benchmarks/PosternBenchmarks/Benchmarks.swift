import Benchmark

/// Every benchmark; see `Ops/benchmarks.md` for how to run them.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .cpuTotal, .throughput, .peakMemoryResident], warmupIterations: 1,
    maxDuration: .seconds(5), maxIterations: 1_000)
  chunkBenchmarks()
  envelopeBenchmarks()
  epochBenchmarks()
}
