import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing

@Suite struct ApplyTests {
  private let setting: Setting
  private let generations: [UInt64: GenerationFixture]
  private let state: SealedState

  init() throws {
    setting = try Setting(memberCount: 1)
    let charter = setting.charter
    generations = [1: try GenerationFixture(1, under: charter), 2: try GenerationFixture(2, under: charter)]
    state = try SealedState([1], in: GenerationFixture(1, under: charter))
  }

  private func registration() async throws -> Checked {
    let registration = try setting.council.registration(of: setting.charter)
    return try await check(leaf: registration.record.leaf, bodies: Bodies(registration.bodies.values), charter: nil)
  }

  private func epoch(
    _ number: UInt64, after previous: Digest, in generation: GenerationFixture, stateVersion: UInt64
  ) async throws -> Checked {
    let epoch = try EpochFixture(
      number, after: previous, of: setting.charter, in: generation, state: state, stateVersion: stateVersion,
      signedBy: setting.council.uploader())
    return try await check(leaf: epoch.leaf, bodies: Bodies(epoch.bodies.values), charter: setting.charter)
  }

  private func facts(_ application: ApplicationState?, veilUsedBy generation: UInt64? = nil) -> AdmissionFacts {
    AdmissionFacts(home: setting.home, application: application, veilCommitGeneration: generation)
  }

  /// An application with some newest epoch and generation.
  private func application(
    epoch: UInt64?, leafHash: Digest = .zero, stateVersion: UInt64 = 5, generation: UInt64 = 1
  ) throws -> ApplicationState {
    let charter = ApplicationState.CharterLine(version: 1, digest: setting.app, leafHash: .zero)
    guard let epoch else { return ApplicationState(charter: charter, epoch: nil, generation: nil) }
    let fixture = try #require(generations[generation])
    let veil = try EpochFixture(
      1, of: setting.charter, in: fixture, state: state, signedBy: setting.council.uploader()
    ).fields.veil
    return ApplicationState(
      charter: charter,
      epoch: ApplicationState.EpochLine(number: epoch, leafHash: leafHash, stateVersion: stateVersion),
      generation: ApplicationState.GenerationLine(number: generation, veil: veil, veilCommit: fixture.veil.commit))
  }

  private func refusalOf(_ checked: Checked, _ facts: AdmissionFacts) -> PosternError.Code? {
    refusal { try apply(checked, to: facts) }?.code
  }

  @Test func aCharterComesOnceAndToItsHome() async throws {
    let registration = try await registration()
    let effects = try apply(registration, to: facts(nil))
    #expect(effects.openedGeneration == nil)
    #expect(effects.application.charter.digest == setting.app && effects.application.charter.version == 1)
    #expect(effects.application.epoch == nil && effects.application.generation == nil)

    #expect(refusalOf(registration, facts(effects.application)) == .charterRegistered)
    for other in [try logSigner(seed: 2).verifier, try logSigner("example.org/other").verifier] {
      let facts = AdmissionFacts(home: other, application: nil, veilCommitGeneration: nil)
      #expect(refusalOf(registration, facts) == .charterHome)
      // Registered comes before home.
      let both = AdmissionFacts(home: other, application: effects.application, veilCommitGeneration: nil)
      #expect(refusalOf(registration, both) == .charterRegistered)
    }
  }

  @Test func theFirstEpochOpensTheFirstGeneration() async throws {
    let generation = try #require(generations[1])
    let checked = try await epoch(1, after: .zero, in: generation, stateVersion: 0)
    let effects = try apply(checked, to: facts(application(epoch: nil)))
    guard case .epoch(let passed) = checked else {
      Issue.record("an epoch was checked")
      return
    }
    #expect(effects.application.epoch?.number == 1 && effects.application.epoch?.stateVersion == 0)
    #expect(effects.application.epoch?.leafHash == passed.leafHash && effects.application.epoch?.number == 1)
    #expect(effects.openedGeneration == effects.application.generation)
    #expect(effects.openedGeneration?.number == 1 && effects.openedGeneration?.veilCommit == generation.veil.commit)
  }

  /// Numbers of a log that somebody made up, or of a damaged index, are compared and not reckoned with.
  @Test func noNumberOverflows() async throws {
    let one = try #require(generations[1])
    for number: UInt64 in [1, .max] {
      let checked = try await epoch(number, after: .zero, in: one, stateVersion: 5)
      #expect(refusalOf(checked, facts(try application(epoch: .max))) == .epochTaken)
      guard case .epoch(let passed) = checked else {
        Issue.record("an epoch was checked")
        return
      }
      let before = ApplicationState.EpochLine(number: number - 1, leafHash: .zero, stateVersion: 5)
      for claimed: UInt64 in [0, 1] {
        let fields = passed.fields.changing(generation: claimed)
        let error = refusal { try judge(fields, after: before, in: (number: .max, veil: fields.veil)) }
        #expect(error?.code == .epochGeneration)
      }
      let fields = passed.fields.changing(generation: .max)
      try judge(fields, after: before, in: (number: .max, veil: fields.veil))
    }
  }

  /// The rules in the order of the table: with everything wrong, the first one left is named.
  @Test func theRulesComeInTheirOrder() async throws {
    let newest = try setting.council.registration(of: setting.charter).record.checkedBodies[0]
    let one = try #require(generations[1])
    let two = try #require(generations[2])
    let application = try application(epoch: 3, leafHash: newest, stateVersion: 5, generation: 1)
    var superseded = application
    superseded.charter = ApplicationState.CharterLine(version: 2, digest: .zero, leafHash: .zero)

    let worst = try await epoch(9, after: .zero, in: two.claiming(4), stateVersion: 1)
    #expect(refusalOf(worst, facts(nil)) == .epochUnknownApplication)
    #expect(refusalOf(worst, facts(superseded)) == .charterSuperseded)
    #expect(refusalOf(worst, facts(application)) == .epochSkipped)
    for number: UInt64 in [1, 3] {
      let taken = try await epoch(number, after: .zero, in: two.claiming(4), stateVersion: 1)
      #expect(refusalOf(taken, facts(application)) == .epochTaken)
    }
    let unlinked = try await epoch(4, after: .zero, in: two.claiming(4), stateVersion: 1)
    #expect(refusalOf(unlinked, facts(application)) == .epochPrevious)
    let older = try await epoch(4, after: newest, in: two.claiming(4), stateVersion: 4)
    #expect(refusalOf(older, facts(application)) == .epochVersion)
    for number: UInt64 in [0, 3, 4, .max] {
      let far = try await epoch(4, after: newest, in: two.claiming(number), stateVersion: 5)
      #expect(refusalOf(far, facts(application)) == .epochGeneration)
    }
    let otherVeil = try await epoch(4, after: newest, in: two.claiming(1), stateVersion: 5)
    #expect(refusalOf(otherVeil, facts(application)) == .epochVeil)
    let usedVeil = try await epoch(4, after: newest, in: one.claiming(2), stateVersion: 5)
    #expect(refusalOf(usedVeil, facts(application, veilUsedBy: 1)) == .epochVeil)

    // And what is left passes: the same version again, in the generation and in the next one.
    let same = try apply(
      try await epoch(4, after: newest, in: one, stateVersion: 5), to: facts(application, veilUsedBy: 1))
    #expect(same.openedGeneration == nil && same.application.generation == application.generation)
    #expect(same.application.epoch?.number == 4)
    let next = try apply(try await epoch(4, after: newest, in: two, stateVersion: .max), to: facts(application))
    #expect(next.openedGeneration?.number == 2 && next.application.generation?.veilCommit == two.veil.commit)
    #expect(next.application.epoch?.stateVersion == .max)
  }

  @Test func theFirstGenerationIsOne() async throws {
    let two = try #require(generations[2])
    for number: UInt64 in [0, 2] {
      let checked = try await epoch(1, after: .zero, in: two.claiming(number), stateVersion: 1)
      #expect(refusalOf(checked, facts(try application(epoch: nil))) == .epochGeneration)
    }
  }

  @Test func aBeginIsJudgedBeforeItsBytesCome() throws {
    let previous = setting.app
    let application = try application(epoch: 3, leafHash: previous, generation: 2)
    func code(
      epoch: UInt64 = 4, previous: Digest? = nil, generation: UInt64 = 2, uploader: Int = 0, charter: Charter? = nil,
      application: ApplicationState?? = .none
    ) throws -> PosternError.Code? {
      let begin = Begin(
        app: setting.app, epoch: epoch, previous: previous ?? setting.app, generation: generation, budgetByteCount: 1,
        nonce: .zero, signedBy: try setting.council.uploader(uploader))
      let state: ApplicationState? =
        if let application { application } else { try self.application(epoch: 3, leafHash: setting.app, generation: 2) }
      return refusal { try judge(begin, charter: charter ?? setting.charter, application: state) }?.code
    }
    #expect(try code() == nil && code(uploader: 1) == nil && code(generation: 3) == nil)
    #expect(try code(application: .some(nil)) == .epochUnknownApplication)
    #expect(try code(uploader: 2) == .beginAuthor)
    #expect(try code(epoch: 3) == .epochTaken && code(epoch: 0) == .epochTaken)
    #expect(try code(epoch: 5) == .epochSkipped && code(epoch: .max) == .epochSkipped)
    #expect(try code(previous: .zero) == .epochPrevious)
    #expect(try code(generation: 1) == .epochGeneration && code(generation: 4) == .epochGeneration)
    #expect(application.epoch?.number == 3)
    let begin = Begin(
      app: setting.app, epoch: 4, previous: previous, generation: 2, budgetByteCount: 1, nonce: .zero,
      signedBy: try setting.council.uploader())
    #expect(
      refusal { try judge(begin, charter: nil, application: application) }?.code == .epochUnknownApplication)
  }
}
