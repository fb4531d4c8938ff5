import Client
import Core
import Envelope
import Records
import Testing

@Suite struct RecoveryTests {
  @Test func enoughHonestMembersOpen() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    // The request travels as a file; each member verifies it for itself.
    let file = try RecoveryRequestFile(parsing: asked.recovery.file.text)
    #expect(file == asked.recovery.file)
    let recovery = try await RecoveryCase(verifying: file, app: fixture.app)
    #expect(recovery.statement.requester.name == "ops")
    var tally = try CouncilFixture.tally(asked)
    for (name, satisfied) in [("bo", false), ("dee", false), ("cy", true)] {
      let release = try ReleaseFile(parsing: recovery.answer(with: fixture.member(name)).text)
      let number = try recovery.memberNumber(of: fixture.member(name))
      #expect(tally.add(release) == .honest(member: number))
      #expect(tally.blame(member: number) == nil)
      let isSatisfied = tally.isSatisfied
      #expect(isSatisfied == satisfied)
    }
    #expect(tally.missing.map(\.name) == ["ana"])
    let opening = try tally.open()
    #expect(opening.capsuleKey.withUnsafeBytes { Array($0) } == fixture.capsuleKey)
    #expect(opening.veilSecret.withUnsafeBytes { Array($0) } == fixture.veilSecretBytes)
    #expect(opening.epoch.stateVersion == 7 && opening.app == fixture.app)
  }

  @Test func notEnoughSaysWhoIsMissing() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    var tally = try CouncilFixture.tally(asked)
    _ = tally.add(try asked.recovery.answer(with: fixture.member("bo")))
    do throws(PosternError) {
      _ = try tally.open()
      Issue.record("one of two opened")
    } catch {
      #expect(error.code == .recoveryMissing)
      #expect(error.advice == "Ask for a release from more of: ana, cy, dee.")
    }
  }

  /// Every kind of lie is named, set aside, and proven; the others open all the same.
  @Test func liarsAreNamedAndProven() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    let honest = try asked.recovery.answer(with: fixture.member("bo"))
    for lie in Lie.allCases {
      var tally = try CouncilFixture.tally(asked)
      let falseOne = try lie.answer(asked.recovery, by: fixture.member("ana"), copying: honest)
      #expect(tally.add(falseOne) == .lied(member: 0, lie.verdict), "\(lie)")
      #expect(tally.add(honest) == .honest(member: 1))
      for name in ["cy", "dee"] { _ = tally.add(try asked.recovery.answer(with: fixture.member(name))) }
      let opening = try tally.open()
      #expect(opening.capsuleKey.withUnsafeBytes { Array($0) } == fixture.capsuleKey)

      let blame = try Self.blame(0, in: tally)
      #expect(tally.blame(member: 1) == nil)
      let judgement = try await BlameFile(parsing: blame.text).judge()
      #expect(judgement.isProven && judgement.verdict == lie.verdict && judgement.member.name == "ana")
      try await expectVoidForOthers(blame, honest)
    }
  }

  /// Good releases with a false copy of the veil secret count, and any other member's copy opens.
  @Test func aFalseVeilSecretIsNamedAndPassedOver() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    func falsely(_ name: String) throws -> ReleaseFile {
      let truth = try RecoveryAnswer(parsing: asked.recovery.answer(with: fixture.member(name)).answerBody)
      var copy = truth.sealedVeilSecret
      copy[copy.count - 1] ^= 1
      let answer = RecoveryAnswer(
        recovery: truth.recovery, member: truth.member, envelope: truth.envelope,
        sealedReleases: truth.sealedReleases, sealedVeilSecret: copy)
      return try asked.recovery.statement.sign(answer, with: fixture.member(name))
    }
    var tally = try CouncilFixture.tally(asked)
    for (number, name) in ["ana", "bo", "cy"].enumerated() {
      #expect(tally.add(try falsely(name)) == .honest(member: number))
    }
    do throws(PosternError) {
      _ = try tally.open()
      Issue.record("it opened without a veil secret")
    } catch {
      #expect(error.code == .recoveryNoVeil && error.advice.contains("“ana”, “bo”, “cy”"))
    }
    #expect(tally.add(try asked.recovery.answer(with: fixture.member("dee"))) == .honest(member: 3))
    let names = tally.falseVeilSecrets
    #expect(names == [0, 1, 2])
    #expect(tally.blame(member: 0) == nil)
    #expect(try tally.open().capsuleKey.withUnsafeBytes { Array($0) } == fixture.capsuleKey)
  }

  private static func blame(_ number: Int, in tally: borrowing RecoveryTally) throws -> BlameFile {
    guard let blame = tally.blame(member: number) else {
      throw PosternError("test.blame", "There is no blame.", advice: "")
    }
    return blame
  }

  /// The seed of one member's key says nothing of another's message.
  private func expectVoidForOthers(_ blame: BlameFile, _ honest: ReleaseFile) async throws {
    let other = blame.accusing(honest)
    do throws(PosternError) {
      _ = try await other.judge()
      Issue.record("a blame of one member was taken for another's")
    } catch {
      #expect(error.code == .blameVoid)
    }
  }

  @Test func anHonestMemberCannotBeFramed() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    let ana = try asked.recovery.answer(with: fixture.member("ana"))
    let bo = try asked.recovery.answer(with: fixture.member("bo"))
    var secret = asked.secret
    let seeds = try RecoverySecret(consuming: &secret)
    var tally = try CouncilFixture.tally(asked)
    let lie = try Lie.garbage.answer(asked.recovery, by: fixture.member("cy"), copying: bo)
    _ = tally.add(lie)
    let blame = try Self.blame(2, in: tally)
    // The node itself tells everything about an honest answer: the judge finds it honest.
    let honest = try await blame.accusing(ana, seeds.blame(0)).judge()
    #expect(!honest.isProven && honest.verdict == .honest)
    // A forged ballot around the liar's message in ana's name is nobody's.
    let forged = ReleaseFile(ballotLeaf: ana.ballotLeaf, answerBody: lie.answerBody)
    await #expect(throws: PosternError.self) { try await blame.accusing(forged, seeds.blame(0)).judge() }
    // An answer to another request is nobody's here.
    let again = try await fixture.ask()
    let elsewhere = try again.recovery.answer(with: fixture.member("ana"))
    await #expect(throws: PosternError.self) { try await blame.accusing(elsewhere, seeds.blame(0)).judge() }
    #expect(tally.add(elsewhere).isSetAside(.recoveryAnswer))
  }

  @Test func strayAnswersBlameNobody() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    var tally = try CouncilFixture.tally(asked)
    let good = try asked.recovery.answer(with: fixture.member("ana"))
    let other = try asked.recovery.answer(with: fixture.member("bo"))
    for stray in [
      ReleaseFile(ballotLeaf: good.ballotLeaf, answerBody: other.answerBody),
      ReleaseFile(ballotLeaf: other.ballotLeaf, answerBody: good.answerBody),
      ReleaseFile(ballotLeaf: Array(good.ballotLeaf.dropLast()), answerBody: good.answerBody),
      ReleaseFile(ballotLeaf: good.ballotLeaf, answerBody: []),
      ReleaseFile(ballotLeaf: [], answerBody: good.answerBody),
    ] {
      guard case .setAside = tally.add(stray) else {
        Issue.record("a stray answer was counted")
        continue
      }
    }
    #expect(tally.add(good) == .honest(member: 0))
    // Its first answer counts, whatever comes after it.
    let second = try Lie.garbage.answer(asked.recovery, by: fixture.member("ana"), copying: other)
    #expect(tally.add(second).isSetAside(.recoveryTwice))
    #expect(tally.blame(member: 0) == nil)
  }

  @Test func theSecretBelongsToItsRequest() async throws {
    let fixture = try await CouncilFixture()
    let asked = try await fixture.ask()
    let other = try await fixture.ask()
    #expect(throws: PosternError.self) { _ = try CouncilFixture.tally((asked.recovery, other.secret)) }
    var secret = asked.secret
    let text = RecoverySecretFile.text(try RecoverySecret(consuming: &secret))
    let read = try RecoverySecretFile.parse(text).withUnsafeBytes { Array($0) }
    #expect(read == asked.secret)
  }
}

extension BlameFile {
  /// The same blame with another answer, and another seed where one is given.
  func accusing(_ release: ReleaseFile, _ other: Blame? = nil) -> BlameFile {
    BlameFile(
      charter: charter, epochLeaf: epochLeaf, envelope: envelope, motionLeaf: motionLeaf, requestBody: requestBody,
      release: release, blame: other ?? blame)
  }
}

extension RecoveryTally.Finding {
  func isSetAside(_ code: PosternError.Code) -> Bool {
    guard case .setAside(let error) = self else { return false }
    return error.code == code
  }
}
