import ArgumentParser
import Client
import Core

/// `postern show`: one epoch, proven.
struct Show: AsyncParsableCommand, ShowsEpoch {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show one epoch of an application, proven to be in the log.")

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch.", valueName: "n"))
  var epoch: UInt64

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    try await show(
      epoch: epoch, rests: "It is proven to be in the log; there may be newer ones.",
      orElse: PosternError(
        .viewNoEpoch, "The \(source.noun) shows no epoch \(epoch).", advice: "Ask for the latest one."))
  }
}
