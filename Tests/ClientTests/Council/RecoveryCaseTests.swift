import Client
import Core
import Records
import Fixtures
import Testing

/// What a member refuses to answer: each request here is wrong in one part.
@Suite struct RecoveryCaseTests {
  @Test func everyChangedPartIsRefused() async throws {
    let fixture = try await CouncilFixture()
    let file = try await fixture.ask().recovery.file
    let parts: [WritableKeyPath<MutableRequest, [UInt8]>] = [
      \.motionLeaf, \.requestBody, \.charter, \.charterSignatures, \.envelope, \.veil, \.receipt,
    ]
    for part in parts {
      let original = MutableRequest(file)
      let count = original[keyPath: part].count
      for index in stride(from: 0, to: count, by: max(1, count / 7)) {
        var changed = original
        changed[keyPath: part][index] ^= 1
        #expect(try await code(of: changed, fixture.app) != nil, "\(part), byte \(index) of \(count)")
      }
      var shorter = original
      shorter[keyPath: part].removeLast()
      #expect(try await code(of: shorter, fixture.app) != nil)
    }
  }

  @Test func partsOfAnotherRequestDoNotFit() async throws {
    let fixture = try await CouncilFixture()
    let stranger = try await CouncilFixture()
    let mine = MutableRequest(try await fixture.ask().recovery.file)
    let other = MutableRequest(try await stranger.ask().recovery.file)
    let again = MutableRequest(try await fixture.ask().recovery.file)
    #expect(try await code(of: mine, fixture.app) == nil)
    #expect(try await code(of: mine, stranger.app) == .recoveryApplication)
    for part in [
      \MutableRequest.motionLeaf, \.requestBody, \.charter, \.charterSignatures, \.envelope, \.veil, \.receipt,
    ] {
      var changed = mine
      changed[keyPath: part] = other[keyPath: part]
      #expect(try await code(of: changed, nil) != nil, "\(part)")
    }
    var changed = mine
    changed.requestBody = again.requestBody
    #expect(try await code(of: changed, nil) == .recoveryMismatch)
    changed.motionLeaf = again.motionLeaf
    #expect(try await code(of: changed, nil) == nil)
  }

  @Test func onlyRequestersAsk() async throws {
    let fixture = try await CouncilFixture()
    let member = try fixture.member("ana")
    await #expect(throws: PosternError.self) { _ = try await fixture.evidence.request(by: member, app: fixture.app) }
    let stranger = try KeyFile.random(role: .requester, name: "ops")
    do throws(PosternError) {
      _ = try await fixture.evidence.request(by: stranger, app: fixture.app)
      Issue.record("a stranger's request was written")
    } catch {
      #expect(error.code == .recoveryRequester)
    }
  }

  @Test func onlyMembersAnswer() async throws {
    let fixture = try await CouncilFixture()
    let recovery = try await fixture.ask().recovery
    let stranger = try KeyFile.random(role: .member, name: "ana")
    #expect(refusal { try recovery.answer(with: stranger) }?.code == .recoveryNotAMember)
    let ops = try fixture.requester()
    #expect(refusal { try recovery.answer(with: ops) }?.code == .keyRole)
  }

  private func code(of request: MutableRequest, _ app: Digest?) async throws -> PosternError.Code? {
    let file: RecoveryRequestFile
    do throws(PosternError) {
      file = try request.file()
      _ = try await RecoveryCase(verifying: file, app: app)
      return nil
    } catch {
      return error.code
    }
  }
}

/// A request's parts, to be changed one by one.
struct MutableRequest {
  var motionLeaf: [UInt8]
  var requestBody: [UInt8]
  var charter: [UInt8]
  var charterSignatures: [UInt8]
  var envelope: [UInt8]
  var veil: [UInt8]
  var receipt: [UInt8]

  init(_ file: RecoveryRequestFile) {
    motionLeaf = file.motionLeaf
    requestBody = file.requestBody
    charter = file.charter
    charterSignatures = file.charterSignatures
    envelope = file.envelope
    veil = file.veil
    receipt = file.receipt
  }

  /// The file, by way of its text, as it would come from outside.
  func file() throws(PosternError) -> RecoveryRequestFile {
    var body: [UInt8] = []
    for part in [motionLeaf, requestBody, charter, charterSignatures, envelope, veil, receipt] {
      body.append(bigEndian: UInt32(part.count))
      body += part
    }
    let kind = Armour.Kind("RECOVERY REQUEST", byteCountLimit: 10 << 20)
    return try RecoveryRequestFile(parsing: Armour(kind, body: body).text)
  }
}
