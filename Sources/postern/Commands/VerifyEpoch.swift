import ArgumentParser
import Client
import Core
import Envelope
import Merkle
import Records
import Trust

/// `postern verify epoch`: checks both doors of an epoch, as anyone can, without a key.
struct VerifyEpoch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epoch", abstract: "Check an epoch and both of its doors, without a key.",
    discussion: """
      Fetches the charter, the records of the epoch and of the one before it with their proofs, and the envelope, and \
      trusts the archive with none of them: the application's id is all that is taken for granted. A false envelope is refused with the gate or the \
      leaf that is wrong, counted from 0 (Schema/envelope.md). Of an epoch that the archive has collected, all of this \
      is still there.
      """)

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch; the newest that is shown where none is given.", valueName: "n"))
  var epoch: UInt64?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let memory = try state.memory(app)
    let (doors, isHere) = try await source.open { catalog in
      let application = try await catalog.verified(app: app, epoch: epoch, memory: memory)
      let (doors, sealed) = try await catalog.doors(of: application)
      var previous: VerifiedEpoch?
      if doors.epoch.fields.number > 1 {
        let number = doors.epoch.fields.number - 1
        previous = try await catalog.epoch(number, of: application, memory: memory)
      }
      try doors.epoch.requireSuccessor(of: previous)
      return (doors, sealed != nil)
    }
    if epoch == nil, !json { Console.note(source.rests(on: doors.application)) }
    let check = EpochCheck(doors, isCapsuleHere: isHere)
    try Console.say(json ? try check.json : check.text)
  }
}

/// What was checked of an epoch, in words and as JSON.
struct EpochCheck: Encodable {
  let app: String
  let name: String
  let epoch: UInt64
  let generation: UInt64
  let stateVersion: UInt64
  let uploader: String
  let memberCount: Int
  /// The council's policy in words; nil where there is no council door.
  let council: String?
  let policy: String
  let gateCount: Int
  let leafCount: Int
  /// The path of the KMS's key; nil where there is no KMS door.
  let kms: String?
  let envelope: String
  let envelopeByteCount: Int
  let origin: String
  let leafIndex: UInt64
  let checkpointSize: UInt64
  /// Whether the capsule is what the record names; false where the archive has collected it.
  let isCapsuleHere: Bool

  /// What it took to verify an epoch's doors: there is no other way to them than by checking all of this.
  init(_ doors: VerifiedDoors, isCapsuleHere: Bool) {
    self.isCapsuleHere = isCapsuleHere
    let charter = doors.application.charter
    let fields = doors.epoch.fields
    app = doors.application.app.hex
    name = charter.name
    epoch = fields.number
    generation = fields.generation
    stateVersion = fields.stateVersion
    uploader = charter.uploader(with: doors.epoch.record.author.key)?.name ?? "?"
    memberCount = charter.members.count
    council = charter.recovery.map { PolicyWords(charter).text($0.root) }
    policy = charter.policyDigest.hex
    gateCount = charter.recovery?.gateCount ?? 0
    leafCount = charter.recovery?.leafCount ?? 0
    kms = charter.kms?.path
    envelope = doors.envelope.digest.hex
    envelopeByteCount = doors.envelopeBody.count
    let checkpoint = doors.application.checkpoint.checkpoint
    origin = checkpoint.origin
    leafIndex = doors.epoch.proven.index
    checkpointSize = checkpoint.size
  }

  /// The check for a terminal.
  var text: String {
    var rows = [
      ("application", app),
      ("charter", memberCount == 1 ? "signed by its one member" : "signed by all of its \(memberCount) members"),
      ("record", "of state version \(stateVersion), signed by the uploader “\(uploader)”"),
      ("follows", epoch == 1 ? "nothing: it is the first" : "epoch \(epoch - 1), by its rules and its link"),
      ("in the log", "\(origin), entry \(leafIndex) of \(checkpointSize)"),
      ("envelope", "\(envelope), \(Words.bytes(envelopeByteCount))"),
    ]
    if let council {
      let gates = gateCount == 1 ? "1 gate" : "\(gateCount) gates"
      let leaves = leafCount == 1 ? "1 leaf" : "\(leafCount) leaves"
      rows.append(("council door", "\(council): \(gates) and \(leaves), all proven; they recombine to the secret"))
      rows.append(("policy", policy))
    } else {
      rows.append(("council door", "none in the charter"))
    }
    rows.append(
      (
        "KMS door",
        kms.map { "\($0): proven\(council == nil ? "" : " to open the same secret")" } ?? "none in the charter"
      ))
    let collected =
      isCapsuleHere
      ? ""
      : "The archive has collected this epoch: it keeps fewer, as the charter says. So its capsule was not checked, and it "
        + "cannot be recovered from here.\n"
    return "Good: epoch \(epoch) of “\(name)”, checked without a key.\n" + Table.text(rows) + "\n" + collected
      + """
      Not checked, since only its holder can: each holder's sealed copy of the veil secret. Nor are the epochs before \
      the one before, whether the log shows others another epoch \(epoch) (that takes mirrors), whether the archive \
      still has the dump, and the state itself, which is what the uploader pushed.
      """
  }
}
