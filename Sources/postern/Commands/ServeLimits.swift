import Archive
import ArgumentParser
import Wire

/// What an operator lets others take of an archive.
struct ServeLimits: ParsableArguments {
  private static let archive = ArchiveLimits()
  private static let wire = WireServerLimits()

  @Option(help: ArgumentHelp("Applications that one address may register in a day.", valueName: "count"))
  var maxRegistrations = archive.registrationsPerAddressAndDay

  @Option(help: ArgumentHelp("Bytes that one application may store; no limit where none is given.", valueName: "bytes"))
  var maxAppBytes: UInt64?

  @Option(
    help: ArgumentHelp(
      "Bytes that one push may send. A file is refused that could take more, sealed and with all that goes with it: allow "
        + "half more than the largest state, and 8 MiB.", valueName: "bytes"))
  var maxPushBytes = archive.pushByteCount

  @Option(help: ArgumentHelp("Open pushes.", valueName: "count"))
  var maxPushes = archive.openPushes

  @Option(help: ArgumentHelp("Open pushes of one application.", valueName: "count"))
  var maxAppPushes = archive.openPushesPerApplication

  @Option(help: ArgumentHelp("Open pushes of one address.", valueName: "count"))
  var maxAddressPushes = archive.openPushesPerAddress

  @Option(help: ArgumentHelp("Connections.", valueName: "count"))
  var maxConnections = wire.connectionLimit

  @Option(help: ArgumentHelp("Connections from one address.", valueName: "count"))
  var maxAddressConnections = wire.addressConnectionLimit

  func validate() throws {
    let counts = [
      ("max-registrations", maxRegistrations), ("max-pushes", maxPushes), ("max-app-pushes", maxAppPushes),
      ("max-address-pushes", maxAddressPushes),
      ("max-connections", maxConnections), ("max-address-connections", maxAddressConnections),
    ]
    for (name, count) in counts where count < 1 { throw ValidationError("--\(name) is at least 1.") }
    guard maxPushBytes > 0 else { throw ValidationError("--max-push-bytes is at least 1.") }
    guard maxAppBytes != 0 else { throw ValidationError("--max-app-bytes is at least 1.") }
  }

  /// The archive's limits.
  var ofArchive: ArchiveLimits {
    var limits = ArchiveLimits()
    limits.registrationsPerAddressAndDay = maxRegistrations
    limits.applicationByteCount = maxAppBytes
    limits.pushByteCount = maxPushBytes
    limits.openPushes = maxPushes
    limits.openPushesPerApplication = maxAppPushes
    limits.openPushesPerAddress = maxAddressPushes
    return limits
  }

  /// The transport's limits.
  var ofTransport: WireServerLimits {
    var limits = WireServerLimits()
    limits.connectionLimit = maxConnections
    limits.addressConnectionLimit = min(maxAddressConnections, maxConnections)
    return limits
  }
}
