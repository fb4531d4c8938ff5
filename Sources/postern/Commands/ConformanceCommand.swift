import ArgumentParser
import Client
import Conformance
import Core
import Foundation

/// `postern conformance`: runs every vector file of a folder.
struct ConformanceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance", abstract: "Check this program against test vectors.")

  @Argument(help: ArgumentHelp("The folder with the vectors.", valueName: "folder"))
  var folder: String

  @OptionGroup var common: CommonOptions

  func run() async throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }.sorted()
    var report = ConformanceReport()
    for name in names {
      let bytes = try InputFile.read("\(folder)/\(name)", byteCountLimit: Conformance.fileByteLimit)
      let cases = await Conformance.check(file: name, bytes: bytes)
      for each in cases { Console.say(each.line) }
      report.add(cases)
    }
    Console.say(report.summary)
    guard report.isClean else {
      throw PosternError(
        .conformanceFailed, "This program and the vectors in “\(folder)” disagree, or there are none.",
        advice: "Look at the lines that say so.")
    }
  }
}
