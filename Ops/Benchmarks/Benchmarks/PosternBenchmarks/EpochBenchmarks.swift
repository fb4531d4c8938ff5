import Benchmark
import Client
import Core
import Foundation
import Sodium

/// Whole epochs through a real archive on loopback, with its client in the same process.
func epochBenchmarks() {
  let mebibyte = 1 << 20
  let patient = Benchmark.Configuration(
    metrics: [.wallClock, .cpuTotal], warmupIterations: 0, maxDuration: .seconds(60), maxIterations: 5)

  Benchmark("push 256 MiB, first", configuration: patient) { benchmark in
    try await LocalArchive.run { archive in
      let state = try archive.write(mixedState(byteCount: 256 * mebibyte))
      benchmark.startMeasurement()
      try await archive.push(state)
      benchmark.stopMeasurement()
    }
  }
  for change in Change.allCases {
    Benchmark("push 256 MiB, \(change.rawValue)", configuration: patient) { benchmark in
      try await LocalArchive.run { archive in
        let before = mixedState(byteCount: 256 * mebibyte)
        try await archive.push(archive.write(before))
        let state = try archive.write(change.applied(to: before))
        benchmark.startMeasurement()
        try await archive.push(state)
        benchmark.stopMeasurement()
      }
    }
  }
  Benchmark("recover 256 MiB", configuration: patient) { benchmark in
    try await LocalArchive.run { archive in
      try await archive.push(archive.write(mixedState(byteCount: 256 * mebibyte)))
      benchmark.startMeasurement()
      try await archive.recover()
      benchmark.stopMeasurement()
    }
  }
  Benchmark("100 epochs of 64 KiB", configuration: patient) { benchmark in
    try await LocalArchive.run { archive in
      let states = try (0..<100).map { _ in try archive.write(randomBytes(65_536)) }
      benchmark.startMeasurement()
      for state in states { try await archive.push(state) }
      benchmark.stopMeasurement()
    }
  }
  Benchmark("16 clients at once, 32 MiB each", configuration: patient) { benchmark in
    try await LocalArchive.run(applicationCount: 16) { archive in
      let states = try (0..<16).map { _ in try archive.write(mixedState(byteCount: 32 * mebibyte)) }
      benchmark.startMeasurement()
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for (number, state) in states.enumerated() {
          tasks.addTask { try await archive.push(state, application: number) }
        }
        try await tasks.waitForAll()
      }
      benchmark.stopMeasurement()
    }
  }
}

/// What happens to a state between two epochs.
private enum Change: String, CaseIterable {
  case nothing = "unchanged"
  case scattered = "1 % of its pages changed"
  case clustered = "clusters changed and something inserted"

  func applied(to state: [UInt8]) -> [UInt8] {
    var state = state
    switch self {
    case .nothing: break
    case .scattered:
      for page in stride(from: 0, to: state.count / 4_096, by: 100) { state[page * 4_096 + 100] ^= 1 }
    case .clustered:
      for cluster in 0..<8 {
        let start = state.count / 8 * cluster
        state.replaceSubrange(start..<start + 262_144, with: randomBytes(262_144))
      }
      state.insert(contentsOf: randomBytes(1_000), at: state.count / 4)
    }
    return state
  }
}
