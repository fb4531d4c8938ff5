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
  /// Whether the charter keeps the epoch's dump; an archive may have collected one that it does not.
  let isRetained: Bool
  /// Whether the folder that was read holds the dump; absent where an archive was asked.
  let isHeld: Bool?
  /// What the answer rests on.
  let rests: String
  private let retentionEpochs: UInt64
  private let isDataFolder: Bool

  private enum CodingKeys: CodingKey {
    case app, name, epoch, generation, stateVersion, commitment, root, uploader, policy, origin, leafIndex
    case checkpointSize, leafHash, isRetained, isHeld, rests
  }

  /// The view of a proven epoch.
  ///
  /// - Parameters:
  ///   - application: the application.
  ///   - epoch: the epoch.
  ///   - newest: the number of the newest epoch that is shown.
  ///   - holding: what the folder that was read has of the dump; nil where an archive was asked.
  ///   - rests: what the answer rests on, in a sentence.
  init(
    _ application: VerifiedApplication, _ epoch: VerifiedEpoch, newest: UInt64, holding: Holding?, rests: String
  ) {
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
    isRetained = Retention(under: charter, newestEpoch: newest).keeps(fields.number)
    retentionEpochs = charter.retentionEpochs
    self.rests = rests
    isHeld = holding?.isHeld
    isDataFolder = holding?.isDataFolder ?? false
  }

  /// What a folder has of an epoch's dump.
  struct Holding: Sendable {
    let isHeld: Bool
    /// Whether it is an archive's own, which collects what its charter does not keep.
    let isDataFolder: Bool
  }

  /// What has become of the dump, where a folder was read, or where it may be gone.
  private var keeping: [(label: String, value: String)] {
    let kept = retentionEpochs == 1 ? "newest epoch" : "newest \(retentionEpochs) epochs"
    let words =
      switch (isHeld, isRetained) {
      case (nil, true): ""
      case (nil, false): "not kept any more: the charter keeps the \(kept)"
      case (true?, true): "in this folder, as its capsule shows"
      case (true?, false) where isDataFolder: "perhaps not whole: the charter keeps the \(kept)"
      case (true?, false):
        "in this folder, as its capsule shows; archives need not keep it: the charter keeps the \(kept)"
      case (false?, true): "not in this folder"
      case (false?, false): "not in this folder, and archives need not keep it: the charter keeps the \(kept)"
      }
    return words.isEmpty ? [] : [("dump", words)]
  }

  /// The view for a terminal.
  var text: String {
    "Epoch \(epoch) of “\(name)”\n"
      + Table.text(
        [
          ("state version", "\(stateVersion)"), ("commitment", commitment ?? "none"), ("generation", "\(generation)"),
          ("pushed by", "“\(uploader)”"), ("root", root),
          ("in the log", "\(origin), entry \(leafIndex) of \(checkpointSize)"),
          ("record", leafHash),
        ] + keeping) + "\n" + rests
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
    let (application, newest, holding) = try await source.open { catalog in
      let application = try await catalog.verified(app: app, epoch: number, memory: memory)
      let holding = try await EpochView.Holding(of: application.epoch, in: catalog)
      guard number != nil, application.charter.retentionEpochs > 0 else {
        return (application, application.epoch, holding)
      }
      return (application, try await catalog.verified(app: app, memory: nil).epoch, holding)
    }
    guard let epoch = application.epoch else { throw absence }
    let view = EpochView(
      application, epoch, newest: newest?.fields.number ?? epoch.fields.number, holding: holding,
      rests: rests ?? source.rests(on: application))
    try Console.say(json ? try view.json : view.text)
  }
}

extension EpochView.Holding {
  /// What a folder has of an epoch; nil of an archive, and where there is no epoch.
  fileprivate init?(of epoch: VerifiedEpoch?, in catalog: any Catalog) async throws {
    guard let epoch, let folder = catalog as? FolderCatalog else { return nil }
    self.init(isHeld: try await folder.holdsDump(of: epoch), isDataFolder: folder.isDataFolder)
  }
}
