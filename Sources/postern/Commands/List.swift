import ArgumentParser
import Client
import Core
import Records

/// `postern list`: epochs of an application, or of every application under one policy.
struct List: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List epochs, newest first, as the archive's index or a folder has them.",
    discussion: """
      A list is a convenience and proves nothing; “postern show” proves an epoch. Where the charter keeps so many of the \
      newest epochs, --app says of the others that their dumps are not kept any more: an archive may have collected them.

      With --from those epochs are listed whose dumps the folder holds, and without --app and --policy those of every \
      application.
      """)

  @Option(help: ArgumentHelp("Epochs of this application: 64 hex digits.", valueName: "id"))
  var app: Digest?

  @Option(
    help: ArgumentHelp(
      "Epochs that were sealed under the recovery policy with this digest: 64 hex digits.", valueName: "digest"))
  var policy: Digest?

  @Option(parsing: .unconditional, help: "The most epochs to list, from 1 on.")
  var limit = 100

  @Flag(help: "Print JSON, one object a line.")
  var json = false

  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let app: String
    let epoch: UInt64
    let generation: UInt64
    let stateVersion: UInt64
    let commitment: String?
    let policy: String
    let leafIndex: UInt64
    let root: String
    /// Absent in a list of a folder, which does not say.
    let addedByteCount: UInt64?
    /// Whether the charter keeps the epoch's dump; absent in a list of a folder, which holds it, and in one by policy,
    /// which asks for no charters.
    let isRetained: Bool?
  }

  func validate() throws {
    guard source.from != nil || app != nil || policy != nil else {
      throw ValidationError("Say which epochs: --app, or --policy.")
    }
    guard app == nil || policy == nil else { throw ValidationError("Give --app, or --policy, and not both.") }
    guard limit > 0 else { throw ValidationError("--limit is at least 1.") }
  }

  func run() async throws {
    if let from = source.from {
      return try await FolderCatalog.open(from).reading { folder in try await list(folder) }
    }
    try await ArchiveConnection.open(source.archive.address()) { connection in
      var left = limit
      var page: [UInt8]?
      var retention: Retention?
      repeat {
        let answer = try await fetch(connection, page, min(left, ProtocolLimits.pageRowCount))
        if page == nil, answer.epochs.isEmpty { try await explainAbsence(connection) }
        if page == nil, let newest = answer.epochs.first {
          retention = try await self.retention(newest: newest.epoch, connection)
        }
        for epoch in answer.epochs.prefix(left) {
          guard try Console.list(try line(epoch, retention)) else { return }
        }
        left -= answer.epochs.count
        page = answer.next
      } while page != nil && left > 0
      if page != nil { tellOfMore() }
    }
  }

  private func tellOfMore() {
    Console.note("There are older ones: --limit says how many are listed, \(limit) here.")
  }

  /// Lists what a folder holds.
  private func list(_ folder: FolderCatalog) async throws {
    var count = 0
    var isWanted = true
    let absentCount = try await folder.heldEpochs(of: app, under: policy) { epoch in
      guard count < limit else {
        tellOfMore()
        isWanted = false
        return false
      }
      count += 1
      isWanted = try Console.list(try line(epoch, nil))
      return isWanted
    }
    guard isWanted else { return }
    if let app {
      if count == 0, absentCount == 0 { _ = try await folder.verified(app: app, memory: nil) }
      if absentCount > 0 {
        let epochs = absentCount == 1 ? "one more epoch" : "\(absentCount) more epochs"
        Console.note("The folder's log shows \(epochs) of the application, without the dump.")
      } else if count == 0 {
        Console.note("The application has no epoch yet, as far as this folder shows.")
      }
    } else if count == 0 {
      Console.note("The folder holds no epoch\(policy == nil ? "" : " that was sealed under that policy").")
    }
  }

  private func fetch(_ connection: ArchiveConnection, _ page: [UInt8]?, _ limit: Int) async throws -> EpochPage {
    if let app { return try await connection.list(app: app, after: page, limit: limit) }
    return try await connection.list(policy: policy ?? .zero, after: page, limit: limit)
  }

  private func retention(newest: UInt64, _ connection: ArchiveConnection) async throws -> Retention? {
    guard let app else { return nil }
    return Retention(under: try await connection.verified(app: app, memory: nil).charter, newestEpoch: newest)
  }

  /// Tells an application without epochs from one that the archive does not know.
  ///
  /// - Throws: `epoch.unknown-app`.
  private func explainAbsence(_ connection: ArchiveConnection) async throws {
    guard let app else {
      return Console.note("This archive shows no epoch that was sealed under that policy, the digest of a policy.")
    }
    _ = try await connection.verified(app: app, memory: nil)
    Console.note("The application has no epoch yet, as far as this archive shows.")
  }

  private func line(_ epoch: EpochSummary, _ retention: Retention?) throws -> String {
    let isRetained = retention?.keeps(epoch.epoch)
    guard json else {
      let app = app == nil ? "\(epoch.app) " : ""
      return "\(app)epoch \(epoch.epoch), generation \(epoch.generation), state version \(epoch.stateVersion), "
        + "entry \(epoch.leafIndex)\(epoch.addedByteCount.map { ", added \(Words.bytes($0))" } ?? ""), root \(epoch.root)"
        + (isRetained == false ? ", not kept any more" : "")
    }
    return try Output(
      app: epoch.app.hex, epoch: epoch.epoch, generation: epoch.generation, stateVersion: epoch.stateVersion,
      commitment: epoch.commitment?.hex, policy: epoch.policy.hex, leafIndex: epoch.leafIndex, root: epoch.root.hex,
      addedByteCount: epoch.addedByteCount, isRetained: isRetained
    ).json
  }
}
