import Conformance
import Foundation
import Testing

@Suite struct SharedVectorTests {
  @Test func everySharedVectorPasses() async throws {
    let folder = URL(filePath: #filePath).appending(path: "../../../Schema/vectors").standardized
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.lastPathComponent.hasPrefix("envelope-") || $0.lastPathComponent == "policies.json" }
    #expect(files.count >= 8)
    var report = ConformanceReport()
    for file in files {
      let cases = await Conformance.check(
        file: file.lastPathComponent, bytes: Array(try Data(contentsOf: file)))
      for item in cases where item.outcome != .passed { Issue.record("\(item.line)") }
      report.add(cases)
    }
    #expect(report.isClean, "\(report.summary)")
  }
}
