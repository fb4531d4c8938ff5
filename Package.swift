// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: Target.Dependency...) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, excluding: [String] = [], _ dependencies: Target.Dependency...) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: excluding, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let grpc = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

// A target imports lower layers only, never its own: what belongs where is a rule that the compiler keeps.
let layers: [[Target]] = [
  [
    .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CLinux"),
    .target(
      name: "Migrations", path: "Migrations",
      resources: [
        .embedInCode("0001_initial.sql"), .embedInCode("0002_pack_space.sql"), .embedInCode("0003_runs.sql"),
        .embedInCode("0004_collection.sql"),
      ], swiftSettings: strict),
    module("Core"),
  ],
  [
    module("Sodium", "Core", "CSodium"),
    module("Bulk", "Core", "CCrypto", "CLZ4"),
    module("Pax", "Core"),
  ],
  // Layers 2 to 4 are pure: no files, no sockets, no clock, no SQL.
  [
    module("Merkle", "Core", "Sodium", "Bulk"),
    module("Envelope", "Core", "Sodium", "Bulk", crypto),
    module("Dump", "Core", "Sodium", "Bulk"),
  ],
  [
    module("Records", "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump"),
    module("Conformance", "Core", "Sodium", "Bulk", "Envelope"),
  ],
  [
    module("Trust", "Core", "Bulk", "Merkle")
  ],
  [
    module("Packs", "Core", "Bulk", "CLinux", "Merkle", "Dump", "Trust"),
    module("Index", "Core", "Bulk", "Migrations", grdb, grdbSQLite),
    module("Snapshot", "Core", "Sodium", grdbSQLite),
    module("Wire", "Core", grpc, grpcProtobuf, logging, nio, nioPosix, nioSSL, protobuf),
  ],
  [
    module("Archive", "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records", "Trust", "Packs", "Index"),
    module(
      "Client", "Core", "Sodium", "Bulk", "Pax", "CLinux", "Merkle", "Envelope", "Dump", "Records", "Trust", "Packs",
      "Snapshot", "Wire", grpc, logging, nio, system),
  ],
  [
    module("Service", "Core", "CLinux", "Merkle", "Trust", "Index", "Wire", "Archive", grpc, logging, nio)
  ],
  [
    .executableTarget(
      name: "postern",
      dependencies: [
        "Core", "Sodium", "Bulk", "CLinux", "Merkle", "Envelope", "Dump", "Records", "Conformance", "Trust", "Wire",
        "Archive", "Client", "Service", argumentParser, grpc, lifecycle, unixSignals, logging, toml,
      ], swiftSettings: strict),
    // A liar for the rehearsal and the tests: the program itself has no way to lie.
    .executableTarget(
      name: "lying-member", dependencies: ["Core", "Sodium", "Envelope", "Records", "Client"],
      path: "Tests/LyingMember", swiftSettings: strict),
  ],
]

let package = Package(
  name: "postern",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "postern", targets: ["postern"]),
    // For Ops/Benchmarks, which is a package of its own.
    .library(
      name: "PosternModules",
      targets: [
        "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records", "Wire", "Archive", "Client", "Service",
      ]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: layers.flatMap(\.self) + [
    // What several test targets make their councils, states and epochs with.
    .target(
      name: "Fixtures",
      dependencies: ["Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records", "Archive"],
      path: "Tests/Fixtures", swiftSettings: strict),
    tests("CoreTests", "Core", "Fixtures"),
    tests("SodiumTests", "Core", "Sodium"),
    tests("BulkTests", "Core", "Bulk"),
    tests("PaxTests", "Core", "Pax", "Fixtures"),
    tests("MerkleTests", excluding: ["Fixtures"], "Core", "Sodium", "Bulk", "Merkle"),
    tests("EnvelopeTests", "Core", "Sodium", "Bulk", "Envelope"),
    tests("DumpTests", "Core", "Sodium", "Bulk", "Dump"),
    tests("RecordsTests", "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records", "Fixtures"),
    tests("ConformanceTests", "Core", "Conformance"),
    tests("TrustTests", "Core", "Sodium", "Bulk", "Merkle", "Trust"),
    tests("PacksTests", "Core", "Sodium", "Bulk", "Merkle", "Trust", "Packs"),
    tests("IndexTests", "Core", "Bulk", "Index", "Migrations"),
    tests("SnapshotTests", "Core", "Snapshot", "Fixtures"),
    tests("WireTests", "Core", "Wire", grpc, grpcProtobuf, logging, nio, nioPosix, nioSSL, protobuf),
    // The older folder is a small archive as the version before wrote it.
    tests(
      "ArchiveTests", excluding: ["OlderFolder"], "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records",
      "Trust", "Packs", "Index",
      "Archive", "Fixtures", grdbSQLite),
    tests("ServiceTests", "Core", "Packs", "Archive", "Service", "Wire", "Fixtures", logging),
    tests(
      "ClientTests", "Core", "Sodium", "Bulk", "Pax", "Merkle", "Envelope", "Dump", "Records", "Trust", "Packs", "Wire",
      "Archive", "Client", "Service", "Fixtures", grpc, logging, nio),
    tests(
      "PosternCommandTests", "Core", "Sodium", "Bulk", "Merkle", "Envelope", "Dump", "Records", "Trust", "Client",
      "postern", "Fixtures"),
    // The program as a process of its own: killed, on a full disk, in a pipe.
    tests(
      "ProcessTests", "Core", "Sodium", "Bulk", "Merkle", "Records", "Trust", "Client", "postern", "lying-member",
      "Fixtures"),
  ]
)
