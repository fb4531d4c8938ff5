import ArgumentParser
import Client
import Core

/// `postern charter show`: what a charter's file says.
struct CharterShow: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a charter.")

  @Argument(help: ArgumentHelp("The charter's file.", valueName: "charter"))
  var file: String

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var common: CommonOptions

  func run() throws {
    let summary = CharterSummary(try CharterFile.read(file))
    try Console.say(json ? try summary.json : summary.text)
  }
}
