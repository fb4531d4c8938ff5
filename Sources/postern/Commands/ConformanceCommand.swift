import ArgumentParser
import Client
import Conformance
import Core
import Foundation

/// `postern conformance`: runs every vector file of a folder.
struct ConformanceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance", abstract: "Check this program against test vectors.",
    discussion: """
      Every file NAME.json of the folder is read; whether it is about policies or about an envelope, its fields say. A \
      file of another kind is skipped, and said to be.
      """)

  @Argument(help: ArgumentHelp("The folder with the vectors.", valueName: "folder"))
  var folder: String

  @OptionGroup var common: CommonOptions

  func run() async throws {
    var report = ConformanceReport()
    for name in try names() {
      let cases = try await check(name)
      for each in cases where try !Console.list(each.line) { break }
      report.add(cases)
    }
    _ = try Console.list(report.summary)
    guard report.failedCount == 0 else {
      throw PosternError(
        .conformanceFailed, "This program and the vectors in “\(folder)” disagree.",
        advice: "Look at the lines that say FAILED.")
    }
    guard report.isClean else {
      throw PosternError(
        .conformanceNothing, "Nothing was checked: “\(folder)” holds no vectors of a kind that this program knows.",
        advice: "Name the folder with the vectors, such as Schema/vectors.")
    }
  }

  private func check(_ name: String) async throws -> [ConformanceCase] {
    guard name.hasSuffix(".json") else { return [.skipped(name, reason: "not named .json")] }
    let path = "\(folder)/\(name)"
    // A pipe of that name would never end, and a folder cannot be read.
    let type = try? FileManager.default.attributesOfItem(atPath: (path as NSString).resolvingSymlinksInPath)[.type]
    guard type as? FileAttributeType == .typeRegular else { return [.skipped(name, reason: "no file")] }
    let bytes = try InputFile.read(path, byteCountLimit: Conformance.fileByteLimit)
    return await Conformance.check(file: name, bytes: bytes)
  }

  private func names() throws(PosternError) -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw PosternError(
        .fileUnreadable, "The folder “\(folder)” cannot be read.", advice: "Check its name, and that you may read it.")
    }
    return names.sorted()
  }
}
