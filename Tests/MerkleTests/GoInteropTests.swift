import Core
import Foundation
import Merkle
import Testing

/// Go's checksum database packages check what this code writes, and the other way round.
///
/// Needs Debian's `golang-go` and `golang-golang-x-mod-dev`; nothing is fetched.
@Suite struct GoInteropTests {
  private static let sources = "/usr/share/gocode"
  private static let isInstalled =
    FileManager.default.isExecutableFile(atPath: "/usr/bin/go")
    && FileManager.default.fileExists(atPath: sources + "/src/golang.org/x/mod/sumdb/tlog")

  @Test(.enabled(if: isInstalled, "needs golang-go and golang-golang-x-mod-dev"))
  func goVerifiesOurCheckpointAndProofs() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "postern-interop-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let lineCount = try writeLog(to: folder)

    let program = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/interop/main.go")
    let output = try run(["run", program.path, folder.path], in: folder)
    #expect(output == "\(lineCount)\n")

    let theirs = try NoteVerifier(parsing: String(contentsOf: folder.appending(path: "go-vkey"), encoding: .utf8))
    let note = try SignedNote(parsing: Array(Data(contentsOf: folder.appending(path: "go-note"))))
    #expect(try note.verified(by: [theirs]).count == 1)
    #expect(try Checkpoint(parsing: note.text).size == 600)
  }

  /// A log of 600 leaves: its key, its checkpoint with a cosignature that Go ignores, and proofs.
  private func writeLog(to folder: URL) throws -> Int {
    let leaves = (0..<600).map { ascii("leaf \($0)") }
    var tree = Tree()
    var store = TileStore()
    var roots: [Digest] = []
    for leaf in leaves {
      store.add(tree.append([TreeHash.leaf(leaf)]))
      roots.append(tree.root)
    }
    var lines: [String] = []
    for (index, leaf) in leaves.enumerated() {
      let inclusion = try InclusionProof(index: UInt64(index), treeSize: 600, reading: store.read)
      lines.append((["leaf", "\(index)", leaf.hex] + inclusion.hashes.map(\.hex)).joined(separator: " "))
      let consistency = try ConsistencyProof(oldSize: UInt64(index + 1), newSize: 600, reading: store.read)
      lines.append((["tree", "\(index + 1)", roots[index].hex] + consistency.hashes.map(\.hex)).joined(separator: " "))
    }
    let signer = try NoteSigner(name: "example.com/log", key: key(1))
    let witness = try Cosigner(name: "witness.example", key: key(2))
    var note = try Checkpoint(origin: "example.com/log", size: 600, root: tree.root).signed(by: signer)
    try note.add(witness.signature(over: note, timeSeconds: 1_700_000_000))
    try Data(ascii(signer.verifier.text)).write(to: folder.appending(path: "vkey"))
    try Data(note.bytes).write(to: folder.appending(path: "checkpoint"))
    try Data(ascii(lines.joined(separator: "\n") + "\n")).write(to: folder.appending(path: "proofs"))
    return lines.count
  }

  private func run(_ arguments: [String], in folder: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/go")
    process.arguments = arguments
    process.environment = [
      "GO111MODULE": "off", "GOPATH": Self.sources, "GOPROXY": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
      "GOCACHE": folder.appending(path: "cache").path, "HOME": folder.path, "PATH": "/usr/bin:/bin",
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: output, as: UTF8.self)
  }
}
