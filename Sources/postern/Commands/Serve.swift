import Archive
import ArgumentParser
import CLinux
import Client
import Core
import GRPCCore
import Glibc
import Logging
import Merkle
import Service
import ServiceLifecycle
import UnixSignals
import Wire

/// `postern serve`: runs an archive until it is told to stop.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "serve", abstract: "Serve an archive.")

  @Option(help: ArgumentHelp("The data folder that “postern archive init” made.", valueName: "folder"))
  var data: String

  @Option(help: ArgumentHelp("Where to listen.", valueName: "host:port"))
  var listen = ArchiveOptions.standard

  @Option(help: ArgumentHelp("Speak TLS 1.3 with this certificate chain (PEM).", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"))
  var tlsKey: String?

  @OptionGroup(title: "What others may take") var limits: ServeLimits

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (tlsCert == nil) == (tlsKey == nil) else { throw ValidationError("--tls-cert and --tls-key go together.") }
  }

  func run() async throws {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    // Connections, open pushes, and the packs and runs that are kept open may come near the usual 1,024.
    clinux_raise_descriptor_limit()
    let logger = Logger(label: "postern")
    let archive = try await Archive.open(at: data, limits: limits.ofArchive) { error in
      Console.note("postern: \(error)")
      // What to do next is the error's to say: not everything is mended by a start.
      Console.note("The archive has stopped.")
      Glibc.exit(ExitStatus.refused.rawValue)
    }
    let transport = try makeTransport(logger)
    let service = ArchiveService(
      server: ArchiveServer(archive, version: Version.text, logger: logger), transport: transport,
      origin: archive.home.name)
    let group = ServiceGroup(
      services: [service], gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "postern.lifecycle") { _ in
        SwiftLogNoOpLogHandler()
      })
    do {
      try await group.run()
    } catch let error as RuntimeError where !(error.cause is PosternError) {
      throw PosternError(
        .serveFailed, "The archive cannot be served on \(listen): \(NetworkReason.words(of: error.cause ?? error)).",
        advice: "Choose another address with --listen, or end what holds it.")
    }
    Console.note("Stopped.")
  }

  private func makeTransport(_ logger: Logger) throws -> WireServerTransport {
    let address = try listenAddress()
    var tls: WireServerTLS?
    if let tlsCert, let tlsKey { tls = try WireServerTLS(certificateChainFile: tlsCert, privateKeyFile: tlsKey) }
    return WireServerTransport(
      host: address.host, port: address.port, tls: tls, limits: limits.ofTransport, logger: logger)
  }

  /// Unlike the address of an archive to ask, this one's port may be 0: then any that is free is taken.
  private func listenAddress() throws -> WireAddress {
    guard listen.hasSuffix(":0") else {
      let address = try ArchiveAddress(parsing: listen)
      return WireAddress(host: address.host, port: address.port)
    }
    let host = listen.dropLast(2).drop { $0 == "[" }
    return WireAddress(host: String(host.last == "]" ? host.dropLast() : host), port: 0)
  }
}

/// The server as a service that ends when a signal says so: no new call, and those under way to their end.
private struct ArchiveService: Service {
  let server: ArchiveServer
  let transport: WireServerTransport
  let origin: String

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          let address = try await transport.boundAddress
          // For whoever started this process, on a line of its own: with port 0 only the system knew the port.
          // Who does not read it loses nothing but the line.
          try? Console.say("listening on \(address.host):\(address.port)")
          Console.note("Serving \(origin); SIGTERM or Ctrl-C stops it.")
        }
        try await server.serve(over: transport)
        group.cancelAll()
      }
    } onGracefulShutdown: {
      transport.beginGracefulShutdown()
    }
  }
}
