import Core
import Index
import Merkle
import Packs
import Records
import Sodium

/// What became of a record that was let in.
struct Admission: Sendable {
  /// The leaf's index.
  let index: UInt64
  /// Whether this very record was let in before; then nothing that came with it was taken.
  let isRepeat: Bool
}

/// Records that `apply` let in, one after the other, and the rows that one transaction will write for them.
struct AdmissionGroup {
  /// The index that the group's first leaf gets.
  let firstIndex: UInt64
  private let home: NoteVerifier
  private let index: ArchiveIndex

  private var entries: [EntryRow] = []
  private var applications: [Digest: Standing] = [:]
  private var veilGenerations: [VeilName: UInt64] = [:]
  private var claims: [EpochClaim: UInt64] = [:]
  private var charters: [CharterRow] = []
  private var generations: [GenerationRow] = []
  private var epochs: [EpochRow] = []
  private var packs: [PackSealing] = []
  /// The pushes that end with the group.
  private(set) var pushes: [PushToken] = []

  /// An application with the group's own effects.
  private struct Standing {
    var row: ApplicationRow
    var state: ApplicationState
    /// Whether this group changed it.
    var isChanged = true
  }

  private struct VeilName: Hashable {
    let app: Digest
    let commit: Digest
  }

  /// A group without records.
  init(home: NoteVerifier, firstIndex: UInt64, index: ArchiveIndex) {
    self.home = home
    self.firstIndex = firstIndex
    self.index = index
  }

  /// Whether nothing was let in.
  var isEmpty: Bool { entries.isEmpty }

  /// RFC 6962 hashes of the new leaves, in their order.
  var leafHashes: [Digest] { entries.map(\.leafHash) }

  /// Where the group's packs belong.
  var placements: [PackPlacement] {
    packs.map(PackPlacement.init)
  }

  /// Judges a record by what is committed alone, and lets nothing in.
  ///
  /// - Returns: as ``judge(_:)``; the index counts only where the record was let in before.
  /// - Throws: what `apply` throws.
  static func judgment(
    of checked: Checked, home: NoteVerifier, index: ArchiveIndex
  ) throws(PosternError) -> Admission {
    var group = AdmissionGroup(home: home, firstIndex: 0, index: index)
    return try group.judge(Submission(checked: checked, push: nil, packs: []))
  }

  /// Judges a record by what is committed and what this group already holds, and takes it in.
  ///
  /// - Throws: what `apply` throws; the group is as it was then.
  mutating func judge(_ submission: Submission) throws(PosternError) -> Admission {
    switch submission.checked {
    case .charter(let checked): try judge(checked, submission)
    case .epoch(let checked): try judge(checked, submission)
    }
  }

  private mutating func judge(
    _ checked: CheckedCharter, _ submission: Submission
  ) throws(PosternError) -> Admission {
    let app = checked.record.app
    let standing = try standing(of: app)
    if let row = standing?.row, row.charterLeafHash == checked.leafHash {
      return Admission(index: row.charterIndex, isRepeat: true)
    }
    let facts = AdmissionFacts(home: home, application: standing?.state, veilCommitGeneration: nil)
    let effects = try apply(submission.checked, to: facts)
    let index = append(checked.record, leafHash: checked.leafHash, submission)
    let charter = CharterRow(
      digest: checked.fields.body, app: app, version: checked.fields.version, index: index)
    charters.append(charter)
    let row = ApplicationRow(
      app: app, charterVersion: charter.version, charterIndex: index, charterDigest: charter.digest,
      charterLeafHash: checked.leafHash, epoch: nil, generation: 0, stateVersion: 0)
    applications[app] = Standing(row: row, state: effects.application)
    return Admission(index: index, isRepeat: false)
  }

  private mutating func judge(
    _ checked: CheckedEpoch, _ submission: Submission
  ) throws(PosternError) -> Admission {
    let app = checked.record.app
    let claim = EpochClaim(checked)
    if let first = try repeated(claim) { return Admission(index: first, isRepeat: true) }
    let veil = VeilName(app: app, commit: checked.veilCommit)
    let standing = try standing(of: app)
    let facts = AdmissionFacts(
      home: home, application: standing?.state, veilCommitGeneration: try generation(using: veil))
    let effects = try apply(submission.checked, to: facts)
    guard var row = standing?.row else { preconditionFailure("apply admits no epoch of an unknown application") }

    let index = append(checked.record, leafHash: checked.leafHash, submission)
    row.epoch = NewestEpoch(number: checked.fields.number, index: index, leafHash: checked.leafHash)
    row.generation = checked.fields.generation
    row.stateVersion = checked.fields.stateVersion
    applications[app] = Standing(row: row, state: effects.application)
    claims[claim] = index
    if let opened = effects.openedGeneration {
      veilGenerations[veil] = opened.number
      generations.append(
        GenerationRow(
          app: app, number: opened.number, veilCommitment: opened.veilCommit, charterDigest: checked.fields.charter,
          firstEpoch: checked.fields.number))
    }
    epochs.append(
      EpochRow(
        claim: claim, index: index, leafHash: checked.leafHash, generation: checked.fields.generation,
        policy: checked.policy, commitment: checked.fields.commitment,
        addedByteCount: submission.packs.reduce(0) { $0 + $1.byteCount }))
    return Admission(index: index, isRepeat: false)
  }

  private mutating func append(_ record: Record, leafHash: Digest, _ submission: Submission) -> UInt64 {
    let index = firstIndex + UInt64(entries.count)
    entries.append(
      EntryRow(
        index: index, leafHash: leafHash, kind: record.fields.kind.rawValue, app: record.app, bytes: record.leaf))
    packs += submission.packs
    if let push = submission.push { pushes.append(push) }
    return index
  }

  /// The rows of the group's transaction.
  func rows(from previous: CheckpointRow, to checkpoint: CheckpointRow, tiles: [Tile]) -> CommitGroup {
    var rows = CommitGroup(previous: previous, checkpoint: checkpoint)
    rows.entries = entries
    rows.tiles = tiles.newestRows
    rows.charters = charters
    rows.applications = applications.values.filter(\.isChanged).map(\.row)
    rows.generations = generations
    rows.epochs = epochs
    rows.packs = packs
    rows.pushes = pushes
    return rows
  }

  // MARK: Facts

  private mutating func standing(of app: Digest) throws(PosternError) -> Standing? {
    if let standing = applications[app] { return standing }
    let found = try index.read { (snapshot) throws(PosternError) in
      try CommittedApplication(app, in: snapshot)
    }
    applications[app] = found.map { Standing(row: $0.row, state: $0.state, isChanged: false) }
    return applications[app]
  }

  private func repeated(_ claim: EpochClaim) throws(PosternError) -> UInt64? {
    if let first = claims[claim] { return first }
    return try index.read { (snapshot) throws(PosternError) in try snapshot.repeated(claim) }
  }

  private func generation(using veil: VeilName) throws(PosternError) -> UInt64? {
    if let number = veilGenerations[veil] { return number }
    return try index.read { (snapshot) throws(PosternError) in
      try snapshot.generation(app: veil.app, veilCommitment: veil.commit)?.number
    }
  }
}

/// An application as the index has it, and as `apply` takes it.
struct CommittedApplication {
  /// The index's row.
  let row: ApplicationRow
  /// The same, for `apply`.
  let state: ApplicationState

  /// Reads an application; nil where the log has none.
  init?(_ app: Digest, in snapshot: borrowing IndexSnapshot) throws(PosternError) {
    guard let row = try snapshot.application(app) else { return nil }
    let charter = ApplicationState.CharterLine(
      version: row.charterVersion, digest: row.charterDigest, leafHash: row.charterLeafHash)
    var state = ApplicationState(charter: charter, epoch: nil, generation: nil)
    if let newest = row.epoch {
      state.epoch = ApplicationState.EpochLine(
        number: newest.number, leafHash: newest.leafHash, stateVersion: row.stateVersion)
      // Taken for “none yet”, a missing row would let the application start anew.
      guard let generation = try snapshot.generation(app: app, number: row.generation) else {
        throw .damagedIndex("it lacks the newest generation of the application \(app)")
      }
      let fields = try snapshot.epochFields(newest.index)
      state.generation = ApplicationState.GenerationLine(
        number: generation.number, veil: fields.veil, veilCommit: generation.veilCommitment)
    }
    self.row = row
    self.state = state
  }
}

extension EpochClaim {
  /// What makes a checked epoch this one and no other.
  init(_ checked: CheckedEpoch) {
    self.init(checked.record, checked.fields)
  }

  /// What makes an epoch record this one and no other.
  init(_ record: Record, _ fields: EpochFields) {
    self.init(
      app: record.app, uploader: record.author.key.indexKey, number: fields.number, previous: fields.previous,
      root: fields.root, stateVersion: fields.stateVersion)
  }
}

extension [Tile] {
  /// A row for each tile; of several widths of one tile, the widest.
  var newestRows: [TileRow] {
    var rows: [TilePlace: TileRow] = [:]
    for tile in self {
      let place = TilePlace(level: tile.coordinate.level, index: tile.coordinate.index)
      if let known = rows[place], known.hashes.count >= tile.bytes.count { continue }
      rows[place] = TileRow(
        level: UInt8(tile.coordinate.level), number: tile.coordinate.index, hashes: tile.bytes)
    }
    return [TileRow](rows.values)
  }
}

private struct TilePlace: Hashable {
  let level: Int
  let index: UInt64
}
