import Fixtures
import Foundation
import Testing

@Suite struct ConformanceCommandTests {
  private let program: Program
  private let vectors = URL(filePath: #filePath).appending(path: "../../../../Schema/vectors").standardized

  init() throws {
    program = try Program()
    try FileManager.default.createDirectory(atPath: program.folder.path("v"), withIntermediateDirectories: false)
  }

  private func copy(_ name: String, as other: String) throws {
    try FileManager.default.copyItem(
      at: vectors.appending(path: name), to: URL(filePath: program.folder.path("v/\(other)")))
  }

  @Test func aFilesNameDoesNotMatter() throws {
    try copy("envelope-flat-1-of-1-no-kms.json", as: "policies.json")
    try copy("policies.json", as: "x.json")
    try copy("records-leaves.json", as: "envelope-of-nothing.json")
    try program.write("about these files", to: "v/README")
    let run = try program.run("conformance", "v")
    #expect(run.status == 0, "\(run.errors)")
    #expect(
      run.output.contains("ok      policies.json: transcript\n") && run.output.contains("ok      x.json: allowed: "))
    #expect(run.output.contains("skipped envelope-of-nothing.json: ") && run.output.contains("skipped README: "))
    #expect(run.output.hasSuffix(" passed, 0 failed, 2 of an unknown kind skipped\n"))
  }

  @Test func whatIsNoJSONFails() throws {
    try copy("policies.json", as: "policies.json")
    try program.write("{\"allowed\": [", to: "v/cut.json")
    let run = try program.run("conformance", "v")
    #expect(run.status == 1 && run.output.contains("FAILED  cut.json: the file: malformed: no JSON\n"))
    #expect(run.errors.contains("(conformance.failed)"))
  }

  @Test func nothingCheckedIsNoSuccess() throws {
    #expect(try program.run("conformance", "v").errors.contains("(conformance.nothing)"))
    try copy("dump-trees.json", as: "dump-trees.json")
    let run = try program.run("conformance", "v")
    #expect(
      run.status == 1 && run.errors.contains("(conformance.nothing)") && run.output.contains("skipped dump-trees"))
  }
}
