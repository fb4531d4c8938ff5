public import Core
public import Merkle
import Sodium

/// What `apply` knows of the log besides the application: facts, read beforehand.
public struct AdmissionFacts: Sendable {
  /// The verifier key of the log that admits.
  public let home: NoteVerifier
  /// The application as the log has it, the group's own effects included; nil where it has none.
  public let application: ApplicationState?
  /// The generation of this application that already uses the record's veil commitment, if any does.
  public let veilCommitGeneration: UInt64?

  /// Facts for one record.
  public init(home: NoteVerifier, application: ApplicationState?, veilCommitGeneration: UInt64?) {
    self.home = home
    self.application = application
    self.veilCommitGeneration = veilCommitGeneration
  }
}

/// What an admitted record changes.
public struct Effects: Hashable, Sendable {
  /// The application after the record.
  public let application: ApplicationState
  /// The generation that the record opened, if it opened one.
  public let openedGeneration: ApplicationState.GenerationLine?
}

/// Decides whether a checked record may be admitted now, and what it changes.
///
/// The one place where that is decided. Pure: with the same facts it gives the same answer.
///
/// - Parameters:
///   - checked: what ``check(leaf:bodies:charter:)`` returned.
///   - facts: the log as it stands before this record.
/// - Returns: the application after it.
/// - Throws: `charter.registered`, `charter.home`, `charter.superseded`, `epoch.*`; nothing is changed then.
public func apply(_ checked: Checked, to facts: AdmissionFacts) throws(PosternError) -> Effects {
  switch checked {
  case .charter(let checked): try apply(checked, to: facts)
  case .epoch(let checked): try apply(checked, to: facts)
  }
}

private func apply(_ checked: CheckedCharter, to facts: AdmissionFacts) throws(PosternError) -> Effects {
  guard facts.application == nil else {
    throw PosternError(
      .charterRegistered, "The application is registered already.",
      advice: "Go on and push; a charter is registered once.")
  }
  guard checked.charter.home == facts.home else {
    throw PosternError(
      .charterHome, "The charter's home is another log, “\(checked.charter.home.name)”.",
      advice: "Register it there, or build the charter with this archive's verifier key.")
  }
  let line = ApplicationState.CharterLine(
    version: checked.fields.version, digest: checked.fields.body, leafHash: checked.leafHash)
  return Effects(
    application: ApplicationState(charter: line, epoch: nil, generation: nil), openedGeneration: nil)
}

private func apply(_ checked: CheckedEpoch, to facts: AdmissionFacts) throws(PosternError) -> Effects {
  guard var application = facts.application else { throw .unknownApplication(checked.record.app) }
  let fields = checked.fields
  guard application.charter.digest == fields.charter else { throw .superseded }
  let generation = application.generation.map { (number: $0.number, veil: $0.veil) }
  try judge(fields, after: application.epoch, in: generation)
  let opened = try openedGeneration(checked, after: application, facts)
  application.epoch = ApplicationState.EpochLine(
    number: fields.number, leafHash: checked.leafHash, stateVersion: fields.stateVersion)
  if let opened { application.generation = opened }
  return Effects(application: application, openedGeneration: opened)
}

/// Whether an epoch can stand behind another: its number and link, its state version, its generation and veil.
///
/// A part of `apply`, for whoever reads two epochs one after the other and not the whole log.
///
/// - Parameters:
///   - fields: the epoch's fields.
///   - newest: the epoch before it; nil where it is to be the first.
///   - generation: the number and the veil of the generation of the epoch before it; nil where there is none.
/// - Throws: `epoch.*` with the rule that is broken.
public func judge(
  _ fields: EpochFields, after newest: ApplicationState.EpochLine?, in generation: (number: UInt64, veil: Digest)?
) throws(PosternError) {
  try judge(epoch: fields.number, previous: fields.previous, after: newest)
  guard fields.stateVersion >= (newest?.stateVersion ?? 0) else {
    throw PosternError(
      .epochVersion, "State version \(fields.stateVersion) is lower than the newest epoch's.",
      advice: "Push the newer state, or recover the newest epoch first.")
  }
  try judge(generation: fields.generation, after: generation?.number)
  if let generation, generation.number == fields.generation, generation.veil != fields.veil {
    throw PosternError(
      .epochVeil, "The epoch names another veil than its generation opened with.",
      advice: "Push with the generation's own secrets, or open the next generation.")
  }
}

/// Whether an epoch is the next one.
private func judge(
  epoch number: UInt64, previous: Digest, after newest: ApplicationState.EpochLine?
) throws(PosternError) {
  // The newest may have any number in a log that somebody made up: nothing is added to it before it is compared.
  let current = newest?.number ?? 0
  guard number > current else {
    throw PosternError(
      .epochTaken, "Epoch \(number) is taken: the newest is \(current).",
      advice: "Another uploader was faster, or this one is behind: run the push again.")
  }
  guard number - current == 1 else {
    throw PosternError(
      .epochSkipped, "Epoch \(number) would skip: the newest is \(current).",
      advice: "Push epoch \(current + 1); if this node has pushed it already, this archive's log may have lost it.")
  }
  guard previous == newest?.leafHash ?? .zero else {
    throw PosternError(
      .epochPrevious, "Epoch \(number) does not follow the newest epoch that this log has.",
      advice: "Recover the newest epoch and go on from there: this node continues another history.")
  }
}

/// The generation that an epoch opens, which has to have a fresh veil; nil where it goes on in the current one.
private func openedGeneration(
  _ checked: CheckedEpoch, after application: ApplicationState, _ facts: AdmissionFacts
) throws(PosternError) -> ApplicationState.GenerationLine? {
  let fields = checked.fields
  guard application.generation?.number != fields.generation else { return nil }
  guard facts.veilCommitGeneration == nil else {
    throw PosternError(
      .epochVeil, "The new generation's veil commitment is not fresh.",
      advice: "Draw new secrets for the new generation.")
  }
  return ApplicationState.GenerationLine(
    number: fields.generation, veil: fields.veil, veilCommit: checked.veilCommit)
}

private func judge(generation number: UInt64, after newest: UInt64?) throws(PosternError) {
  let current = newest ?? 0
  guard number > current ? number - current == 1 : number == current && current > 0 else {
    throw PosternError(
      .epochGeneration, "Generation \(number) is neither the current one, \(current), nor the next.",
      advice: "Recover the newest epoch to go on in its generation, or open the next one.")
  }
}

/// Decides whether a push may begin: the rules of `apply` that can be known before its bytes are sent.
///
/// Judged on committed state when the begin arrives; `apply` judges again when the push is sealed.
///
/// - Throws: `epoch.*`, `push.not-an-uploader`.
public func judge(
  _ begin: Begin, charter: Charter?, application: ApplicationState?
) throws(PosternError) {
  guard let charter, let application else { throw .unknownApplication(begin.app) }
  try charter.requireUploader(begin.uploader)
  try judge(epoch: begin.epoch, previous: begin.previous, after: application.epoch)
  try judge(generation: begin.generation, after: application.generation?.number)
}

extension PosternError {
  /// No charter is registered for an application, with the archive that says so or is asked.
  public static func unknownApplication(_ app: Digest) -> PosternError {
    PosternError(
      .epochUnknownApplication, "The archive knows no application \(app).",
      advice: "Register its charter first, or check the application's id and the archive's address.")
  }

  /// The charter that a record was made under is not the one in force.
  static let superseded = PosternError(
    .charterSuperseded, "The record was made under a charter that is not the one in force.",
    advice: "Fetch the charter in force and seal again under it.")
}
