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
    let names = try vectorNames()
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

  private func vectorNames() throws(PosternError) -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw PosternError(
        .fileUnreadable, "The folder “\(folder)” cannot be read.", advice: "Check its name, and that you may read it.")
    }
    return names.filter { $0.hasSuffix(".json") }.sorted()
  }
}
