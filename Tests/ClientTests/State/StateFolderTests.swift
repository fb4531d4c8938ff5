import Client
import Core
import Dump
import Envelope
import Fixtures
import FoundationEssentials
import Glibc
import Merkle
import Sodium
import Testing

@Suite struct StateFolderTests {
  private let council: Council
  private let folder: TemporaryFolder
  private let app = Digest(randomBytes(32)) ?? .zero

  init() throws {
    council = try Council()
    folder = try TemporaryFolder()
  }

  private func generation(_ number: UInt64) throws -> HeldGeneration {
    HeldGeneration(opening: number, app: app, charter: try council.charter(home: logSigner().verifier))
  }

  @Test func keepsAGenerationAsItIs() throws {
    let key = try KeyFile.random(role: .uploader, name: "tee")
    let state = try StateFolder.open(at: folder.path("a/b/c"), app: app, key: key)
    #expect(try state.generation() == nil)
    let kept = try generation(3)
    try state.keep(kept)
    guard let read = try state.generation() else {
      Issue.record("the generation is gone")
      return
    }
    #expect(read.number == 3 && read.charter == kept.charter && read.veilBody == kept.veilBody)
    #expect(read.veilCommit == kept.veilCommit && read.secret.equals(kept.secret))
    #expect(read.veilSecret.commit(app: app, generation: 3) == kept.veilCommit)
    let bytes = Array(try Data(contentsOf: URL(filePath: folder.path("a/b/c/generation"))))
    let secret = kept.secret.withUnsafeBytes { Array($0) }
    #expect(!bytes.indices.contains { bytes[$0...].starts(with: secret) })
    for name in ["generation", "lock"] {
      var status = stat()
      #expect(stat(folder.path("a/b/c/\(name)"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
  }

  @Test func opensUnderTheSameKeyAndApplicationOnly() throws {
    let path = folder.path("state")
    do {
      let key = try KeyFile.random(role: .uploader, name: "tee")
      try StateFolder.open(at: path, app: app, key: key).keep(generation(1))
      let other = try StateFolder.open(at: path, app: Digest(randomBytes(32)) ?? .zero, key: key)
      #expect(refusal { _ = try other.generation() == nil }?.code == .stateSealed)
    }
    let stranger = try KeyFile.random(role: .uploader, name: "tee")
    let state = try StateFolder.open(at: path, app: app, key: stranger)
    #expect(refusal { _ = try state.generation() == nil }?.code == .stateSealed)
    let member = try KeyFile.random(role: .member, name: "ana")
    #expect(refusal { _ = try StateFolder.open(at: path, app: app, key: member).path }?.code == "key.role")
  }

  @Test func everyDamageIsNoticed() throws {
    let key = try KeyFile.random(role: .uploader, name: "tee")
    let state = try StateFolder.open(at: folder.path("state"), app: app, key: key)
    try state.keep(generation(1))
    let path = URL(filePath: folder.path("state/generation"))
    let bytes = Array(try Data(contentsOf: path))
    for index in stride(from: 0, to: bytes.count, by: 97) {
      var damaged = bytes
      damaged[index] ^= 1
      try Data(damaged).write(to: path)
      let code = refusal { _ = try state.generation() == nil }?.code
      #expect(code == .stateSealed || code == .stateMalformed, "byte \(index)")
    }
    for count in stride(from: 0, to: bytes.count, by: 211) {
      try Data(bytes[..<count]).write(to: path)
      let code = refusal { _ = try state.generation() == nil }?.code
      #expect(code == .stateSealed || code == .stateMalformed, "\(count) bytes")
    }
  }

  @Test func oneProcessAtATime() throws {
    let key = try KeyFile.random(role: .uploader, name: "tee")
    do {
      let state = try StateFolder.open(at: folder.path("state"), app: app, key: key)
      #expect(
        refusal { _ = try StateFolder.open(at: folder.path("state"), app: app, key: key).path }?.code == .stateInUse)
      _ = state.path
      _ = consume state
    }
    _ = try StateFolder.open(at: folder.path("state"), app: app, key: key).path
  }

  @Test func theFolderFollowsTheEnvironment() throws {
    func path(_ environment: [String: String]) throws(PosternError) -> String {
      try StateLocation.path(app: app, environment: environment)
    }
    #expect(try path(["XDG_STATE_HOME": "/x", "HOME": "/h"]) == "/x/postern/\(app.hex)")
    #expect(try path(["XDG_STATE_HOME": "x", "HOME": "/h"]) == "/h/.local/state/postern/\(app.hex)")
    #expect(refusal { try path([:]) }?.code == .stateLocation)
  }
}
