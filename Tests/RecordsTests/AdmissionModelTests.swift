import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing

/// Random histories against a model of a few lines: what `apply` lets in and what it refuses, with which code.
@Suite struct AdmissionModelTests {
  /// An application as the model sees it: plain lists.
  private struct Model {
    var epochs: [(leafHash: Digest, stateVersion: UInt64, generation: UInt64)] = []
    /// The commitment of each generation's veil, from 1.
    var veils: [Digest] = []

    func verdict(
      number: Int, previous: Digest, stateVersion: UInt64, generation: Int, veil: Digest
    ) -> PosternError.Code? {
      if number <= epochs.count { return .epochTaken }
      if number > epochs.count + 1 { return .epochSkipped }
      if previous != (epochs.last?.leafHash ?? .zero) { return .epochPrevious }
      if stateVersion < (epochs.last?.stateVersion ?? 0) { return .epochVersion }
      if generation == veils.count, let current = veils.last { return veil == current ? nil : .epochVeil }
      if generation != veils.count + 1 { return .epochGeneration }
      return veils.contains(veil) ? .epochVeil : nil
    }
  }

  /// One application that nobody but a KMS can open, so that an epoch is dealt and checked in no time.
  private struct Application {
    let council: Council
    let charter: Charter
    /// A few veils a generation: the first is the one that an honest uploader takes.
    let generations: [[GenerationFixture]]
    let state: SealedState
    var model = Model()
    var facts: ApplicationState?

    init(seed: UInt64, home: NoteVerifier) throws {
      council = try Council(memberCount: 1, seed: seed)
      var charter = try council.charter(home: home)
      charter.recovery = nil
      charter.requesters = []
      self.charter = charter
      generations = try (1...6).map { number in
        try (0..<2).map { try GenerationFixture(UInt64(number), under: charter, seed: $0) }
      }
      state = try SealedState([1], in: generations[0][0])
    }

    /// The veil that a generation has since it was opened.
    func veil(of generation: Int) -> GenerationFixture? {
      guard generation > 0, generation <= model.veils.count else { return nil }
      return generations.joined().first { $0.veil.commit == model.veils[generation - 1] }
    }
  }

  private let home: NoteVerifier

  init() throws { home = try logSigner().verifier }

  @Test func randomHistoriesAgreeWithTheModel() async throws {
    var generator = SeededGenerator.printing()
    var applications = [try Application(seed: 1, home: home), try Application(seed: 2, home: home)]
    var admitted = 0
    for _ in 0..<400 {
      let which = Int.random(in: 0..<2, using: &generator)
      if try await step(&applications[which], &generator) { admitted += 1 }
    }
    print("\(admitted) of 400 steps were admitted")
    // 95 on average, with a deviation of 9: 40 are six of these below.
    #expect(admitted > 40)
    for application in applications {
      #expect(application.facts?.epoch?.number ?? 0 == UInt64(application.model.epochs.count))
      #expect(application.facts?.generation?.number ?? 0 == UInt64(application.model.veils.count))
    }
  }

  private func step(_ application: inout Application, _ generator: inout SeededGenerator) async throws -> Bool {
    if application.facts == nil || Int.random(in: 0..<30, using: &generator) == 0 {
      return try await register(&application, &generator)
    }
    let model = application.model
    let number = max(1, model.epochs.count + 1 + [0, 0, 0, 0, -1, 1].randomElement(using: &generator, or: 0))
    let isLinked = Int.random(in: 0..<8, using: &generator) > 0
    let previous = isLinked ? model.epochs.last?.leafHash ?? .zero : generator.digest()
    let last = model.epochs.last?.stateVersion ?? 0
    let stateVersion = [last, last + 1, last + 5, last == 0 ? 0 : last - 1].randomElement(using: &generator, or: last)
    let current = max(1, model.veils.count)
    let claimed = max(0, current + [0, 0, 0, 0, 0, 1, 1, -1, 2].randomElement(using: &generator, or: 0))
    let isOwnVeil = Int.random(in: 0..<6, using: &generator) > 0
    let veilOf = isOwnVeil ? min(max(claimed, 1), 6) : Int.random(in: 1...6, using: &generator)
    let drawn = application.generations[veilOf - 1][isOwnVeil ? 0 : Int.random(in: 0..<2, using: &generator)]
    // An honest uploader takes the veil that its generation has, whichever that is; or a history would end where one
    // was opened with another's.
    let veil = isOwnVeil ? application.veil(of: claimed) ?? drawn : drawn

    let epoch = try EpochFixture(
      UInt64(number), after: previous, of: application.charter, in: veil.claiming(UInt64(claimed)),
      state: application.state, stateVersion: stateVersion, seed: generator.next(),
      signedBy: application.council.uploader(Int.random(in: 0..<2, using: &generator)))
    let checked = try await check(leaf: epoch.leaf, bodies: Bodies(epoch.bodies.values), charter: application.charter)
    let expected = model.verdict(
      number: number, previous: previous, stateVersion: stateVersion, generation: claimed, veil: veil.veil.commit)
    let usedBy = model.veils.firstIndex(of: veil.veil.commit).map { UInt64($0 + 1) }
    let facts = AdmissionFacts(home: home, application: application.facts, veilCommitGeneration: usedBy)
    let outcome = Result { try apply(checked, to: facts) }
    #expect(refusal { try outcome.get() }?.code == expected)
    guard case .success(let effects) = outcome else { return false }

    application.facts = effects.application
    #expect((effects.openedGeneration != nil) == (claimed > model.veils.count))
    if claimed > model.veils.count { application.model.veils.append(veil.veil.commit) }
    application.model.epochs.append((TreeHash.leaf(epoch.leaf), stateVersion, UInt64(claimed)))
    return true
  }

  private func register(_ application: inout Application, _ generator: inout SeededGenerator) async throws -> Bool {
    let registration = try application.council.registration(of: application.charter)
    let checked = try await check(
      leaf: registration.record.leaf, bodies: Bodies(registration.bodies.values), charter: nil)
    let isHome = Int.random(in: 0..<3, using: &generator) > 0
    let log = isHome ? home : try logSigner("example.org/other").verifier
    let facts = AdmissionFacts(home: log, application: application.facts, veilCommitGeneration: nil)
    let expected: PosternError.Code? =
      application.facts != nil ? .charterRegistered : isHome ? nil : .charterHome
    let outcome = Result { try apply(checked, to: facts) }
    #expect(refusal { try outcome.get() }?.code == expected)
    if case .success(let effects) = outcome { application.facts = effects.application }
    return expected == nil
  }
}

extension Array {
  fileprivate func randomElement(using generator: inout SeededGenerator, or other: Element) -> Element {
    randomElement(using: &generator) ?? other
  }
}
