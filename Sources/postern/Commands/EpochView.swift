import Client
import Core
import Merkle
import Records
import Trust

/// An epoch that an archive proved, in words and as JSON: what `latest` and `show` print.
struct EpochView: Encodable {
  let app: String
  let name: String
  let epoch: UInt64
  let generation: UInt64
  let stateVersion: UInt64
  let commitment: String?
  let root: String
  let uploader: String
  let policy: String
  let origin: String
  let leafIndex: UInt64
  let checkpointSize: UInt64
  let leafHash: String
  /// What the answer rests on.
  let rests: String

  /// The view of a proven epoch.
  ///
  /// - Parameter rests: what the answer rests on, in a sentence.
  init(_ application: VerifiedApplication, _ epoch: VerifiedEpoch, rests: String) {
    let charter = application.charter
    let fields = epoch.fields
    app = application.app.hex
    name = charter.name
    self.epoch = fields.number
    generation = fields.generation
    stateVersion = fields.stateVersion
    commitment = fields.commitment?.hex
    root = fields.root.hex
    uploader = charter.uploader(with: epoch.record.author.key)?.name ?? "?"
    policy = charter.policyDigest.hex
    origin = application.checkpoint.checkpoint.origin
    leafIndex = epoch.proven.index
    checkpointSize = application.checkpoint.checkpoint.size
    leafHash = epoch.leafHash.hex
    self.rests = rests
  }

  /// The view for a terminal.
  var text: String {
    "Epoch \(epoch) of “\(name)”\n"
      + Table.text([
        ("state version", "\(stateVersion)"), ("commitment", commitment ?? "none"), ("generation", "\(generation)"),
        ("pushed by", "“\(uploader)”"), ("root", root),
        ("in the log", "\(origin), entry \(leafIndex) of \(checkpointSize)"),
        ("record", leafHash),
      ]) + "\n" + rests
  }
}

/// A command that prints an epoch, proven: the newest, or one by number.
protocol ShowsEpoch {
  var app: Digest { get }
  var json: Bool { get }
  var state: StateOptions { get }
  var source: SourceOptions { get }
}

extension ShowsEpoch {
  /// Asks, checks and prints.
  ///
  /// - Parameters:
  ///   - number: the epoch; nil for the newest.
  ///   - rests: what the answer rests on, in a sentence; nil for what "newest" rests on.
  ///   - absence: what is thrown where no such epoch is shown.
  func show(epoch number: UInt64?, rests: String?, orElse absence: PosternError) async throws {
    let (app, memory) = (app, try state.memory(app))
    let application = try await source.open { catalog in
      try await catalog.verified(app: app, epoch: number, memory: memory)
    }
    guard let epoch = application.epoch else { throw absence }
    let view = EpochView(application, epoch, rests: rests ?? source.rests(on: application))
    try Console.say(json ? try view.json : view.text)
  }
}
