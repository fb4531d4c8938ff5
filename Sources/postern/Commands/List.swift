import ArgumentParser
import Client
import Core
import Records

/// `postern list`: epochs of an application, or of every application under one policy.
struct List: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List epochs, newest first, as the archive's index has them.",
    discussion: """
      A list is a convenience and proves nothing; “postern show” proves an epoch. Where the charter keeps so many of the \
      newest epochs, --app says of the others that their dumps are not kept any more: an archive may have collected them.
      """)

  @Option(help: ArgumentHelp("Epochs of this application: 64 hex digits.", valueName: "id"))
  var app: Digest?

  @Option(
    help: ArgumentHelp(
      "Epochs that were sealed under the recovery policy with this digest: 64 hex digits.", valueName: "digest"))
  var policy: Digest?

  @Option(help: "The most epochs to list.")
  var limit = 100

  @Flag(help: "Print JSON, one object a line.")
  var json = false

  @OptionGroup var archive: ArchiveOptions
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
    let addedByteCount: UInt64
    /// Whether the charter keeps the epoch's dump; absent in a list by policy, which asks for no charters.
    let isRetained: Bool?
  }

  func validate() throws {
    guard (app == nil) != (policy == nil) else { throw ValidationError("Say which epochs: --app, or --policy.") }
    guard limit > 0 else { throw ValidationError("--limit is at least 1.") }
  }

  func run() async throws {
    try await ArchiveConnection.open(archive.address()) { connection in
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
        + "entry \(epoch.leafIndex), added \(Words.bytes(epoch.addedByteCount)), root \(epoch.root)"
        + (isRetained == false ? ", not kept any more" : "")
    }
    return try Output(
      app: epoch.app.hex, epoch: epoch.epoch, generation: epoch.generation, stateVersion: epoch.stateVersion,
      commitment: epoch.commitment?.hex, policy: epoch.policy.hex, leafIndex: epoch.leafIndex, root: epoch.root.hex,
      addedByteCount: epoch.addedByteCount, isRetained: isRetained
    ).json
  }
}
