public import Archive
import CLinux
import Core
public import GRPCCore
public import Logging
import NIOCore
import Wire

/// An archive on the network: its services over a transport, and the chores that run beside them.
public struct ArchiveServer: Sendable {
  private let archive: Archive
  private let version: String
  private let logger: Logger
  /// How often idle pushes are looked for, and what no retained epoch needs is collected.
  private static let chorePeriod = Duration.seconds(60)
  /// How many requests read from the disk at the same time.
  private static let readerCount = 8
  /// How many begins, questions and seals wait for the disk, or prove an envelope, at the same time, beside the
  /// readers.
  private static let admitterCount = max(4, System.coreCount)

  /// A server of an open archive.
  ///
  /// - Parameters:
  ///   - archive: what is served.
  ///   - version: the program's version, as `Describe` tells it.
  ///   - logger: where failed chores are reported.
  public init(_ archive: Archive, version: String, logger: Logger) {
    self.archive = archive
    self.version = version
    self.logger = logger
  }

  /// The services, for whatever transport carries them.
  var services: [any RegistrableRPCService] {
    let logger = logger
    return [
      PosternServices(
        log: LogHandler(archive: archive, version: version), catalog: CatalogHandler(archive: archive),
        admission: AdmissionHandler(archive: archive),
        readers: QueuePool(label: "postern.reader", width: ArchiveServer.readerCount),
        admitters: QueuePool(label: "postern.admission", width: ArchiveServer.admitterCount),
        refusal: { error in error.forPeers(logger) })
    ]
  }

  /// Serves until the transport is shut down or the task is cancelled.
  ///
  /// - Parameter transport: listens and carries the streams; its graceful shutdown ends the call.
  public func serve(over transport: some ServerTransport) async throws {
    let server = GRPCServer(transport: transport, services: services)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await doChores() }
      group.addTask { await doCollections() }
      try await server.serve()
      group.cancelAll()
    }
    await archive.finish()
  }

  private func doChores() async {
    while (try? await Task.sleep(for: ArchiveServer.chorePeriod)) != nil {
      do throws(PosternError) {
        try await archive.collectIdlePushes()
      } catch {
        logger.error("idle pushes were not collected", metadata: ["error": "\(error)"])
      }
      // What many peers at once once needed would be held for good.
      clinux_return_freed_memory()
    }
  }

  /// The end of a push starts a collection on its own; this finds those that had to wait, and tells of all.
  private func doCollections() async {
    do throws(PosternError) {
      try archive.noteAllForCollection()
    } catch {
      logger.error("collection was not begun", metadata: ["error": "\(error)"])
    }
    repeat {
      for report in await archive.collect() { tell(report) }
    } while (try? await Task.sleep(for: ArchiveServer.chorePeriod)) != nil
  }

  private func tell(_ report: CollectionReport) {
    var metadata: Logger.Metadata = [
      "app": "\(report.app)", "generation": "\(report.generation)", "expired": "\(report.expiredEpoch)",
      "dead": "\(report.deadByteCount ?? 0)", "freed": "\(report.freedByteCount)",
    ]
    if let error = report.error {
      metadata["error"] = "\(error)"
      logger.error("epochs beyond retention were not collected", metadata: metadata)
    } else {
      logger.info("epochs beyond retention were collected", metadata: metadata)
    }
  }
}
