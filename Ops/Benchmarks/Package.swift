// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that neither building nor using Postern needs what only its benchmarks need.
let package = Package(
  name: "postern-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "postern", path: "../.."),
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    .executableTarget(
      name: "PosternBenchmarks",
      dependencies: [
        .product(name: "PosternModules", package: "postern"),
        .product(name: "Benchmark", package: "benchmark"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Benchmarks/PosternBenchmarks",
      swiftSettings: [
        .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"), .treatAllWarnings(as: .error),
      ],
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
)
