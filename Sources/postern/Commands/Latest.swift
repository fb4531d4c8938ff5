import ArgumentParser
import Client
import Core

/// `postern latest`: the newest epoch that an archive shows, proven.
struct Latest: AsyncParsableCommand, AsksArchive {
  static let configuration = CommandConfiguration(
    commandName: "latest", abstract: "Show the newest epoch of an application, proven as far as it can be.")

  /// What "newest" rests on where nobody but the archive speaks.
  static let rests = """
    This is the newest epoch that this archive shows. It is proven to be in the log; that there is no newer one is \
    this archive's word alone, since the charter names no mirrors.
    """

  @Option(help: ArgumentHelp("The application.", valueName: "id"))
  var app: Digest

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let memory = try state.memory(app)
    let application = try await ArchiveConnection.open(archive.address()) { connection in
      try await connection.verified(app: app, memory: memory)
    }
    guard let epoch = application.epoch else {
      throw PosternError(
        .viewNoEpoch, "The application has no epoch yet, as far as this archive shows.", advice: "Push one first.")
    }
    let view = EpochView(application, epoch, rests: Latest.rests)
    Console.say(json ? try view.json : view.text)
  }
}
