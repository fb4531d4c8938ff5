import ArgumentParser
import Client
import Core

/// `postern show`: one epoch, proven.
struct Show: AsyncParsableCommand, AsksArchive {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show one epoch of an application, proven to be in the log.")

  @Option(help: ArgumentHelp("The application.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch.", valueName: "n"))
  var epoch: UInt64

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let memory = try state.memory(app)
    let application = try await ArchiveConnection.open(archive.address()) { connection in
      try await connection.verified(app: app, epoch: epoch, memory: memory)
    }
    guard let proven = application.epoch else {
      throw PosternError(
        .viewNoEpoch, "The archive shows no epoch \(epoch).", advice: "Ask for the latest one.")
    }
    let view = EpochView(application, proven, rests: "It is proven to be in the log; there may be newer ones.")
    Console.say(json ? try view.json : view.text)
  }
}
