import Conformance
import Foundation
import Testing

/// A checker that passes everything would pass the shared vectors too: here each demand of a file is changed in
/// turn, and has to fail.
@Suite struct MutatedVectorTests {
  private typealias Path = [String]

  private func vector(_ name: String) throws -> Any {
    let file = URL(filePath: #filePath).appending(path: "../../../Schema/vectors/\(name)").standardized
    return try JSONSerialization.jsonObject(with: Data(contentsOf: file))
  }

  private func check(_ name: String, _ json: Any) async throws -> ConformanceReport {
    let bytes = Array(try JSONSerialization.data(withJSONObject: json))
    var report = ConformanceReport()
    report.add(await Conformance.check(file: name, bytes: bytes))
    return report
  }

  /// Every leaf of the tree that a checker must not ignore.
  private func paths(_ json: Any, _ path: Path = []) -> [Path] {
    if let object = json as? [String: Any] {
      return object.keys.sorted().flatMap { paths(object[$0] ?? NSNull(), path + [$0]) }
    }
    if let array = json as? [Any] {
      return array.indices.flatMap { paths(array[$0], path + [String($0)]) }
    }
    return json is NSNull || isFree(path) ? [] : [path]
  }

  /// What may change without a failure: titles, and the bytes of what is refused anyway.
  private func isFree(_ path: Path) -> Bool {
    guard let last = path.last else { return true }
    if path == ["name"] || last == "what" { return true }
    if path.first?.hasPrefix("refused") == true { return last != "rule" && last != "at" }
    // All messages but the first are junk in some way, and may be any other junk.
    return path.starts(with: ["sealed_releases", "messages"]) && path[2] != "0" && last == "message"
  }

  private func changed(_ json: Any, at path: ArraySlice<String>) -> Any {
    guard let key = path.first else {
      switch json {
      case let text as String where text.count < 40 && !text.allSatisfy(\.isHexDigit): return text + "x"
      case let text as String:
        let last = text.last == "0" ? "1" : "0"
        return String(text.dropLast()) + last
      case let number as NSNumber: return number.intValue + 1
      default: return json
      }
    }
    if var object = json as? [String: Any] {
      if key == "opens" {
        object[key] = !(object[key] as? Bool ?? false)
      } else {
        object[key] = changed(object[key] ?? NSNull(), at: path.dropFirst())
      }
      return object
    }
    guard var array = json as? [Any], let index = Int(key) else { return json }
    array[index] = changed(array[index], at: path.dropFirst())
    return array
  }

  @Test func everyFieldIsChecked() async throws {
    for name in ["envelope-flat-2-of-3.json", "policies.json"] {
      let json = try vector(name)
      let clean = try await check(name, json).isClean
      #expect(clean)
      for path in paths(json) where name != "policies.json" || path.last == "rule" {
        let report = try await check(name, changed(json, at: path[...]))
        #expect(report.failedCount > 0, "\(name): \(path.joined(separator: "."))")
      }
    }
  }

  @Test func filesOfOtherKindsAreSkippedAndMalformedOnesFail() async throws {
    for text in ["{}", "[1]", "7", #"{"tiles": []}"#, #"{"refused": [], "generation_secret": "00"}"#] {
      let unknown = await Conformance.check(file: "envelope-x.json", bytes: Array(text.utf8))
      #expect(unknown.map(\.outcome) == [.skipped], "\(text)")
      #expect(unknown.first?.line.hasPrefix("skipped envelope-x.json") == true)
    }
    for text in ["", "[1", "no JSON", "{} {}", "\u{7F}ELF", #"{"transcript": "0"}"#, #"{"allowed": 7}"#] {
      var report = ConformanceReport()
      report.add(await Conformance.check(file: "tiles.json", bytes: Array(text.utf8)))
      #expect(report.failedCount == 1, "\(text)")
      #expect(!report.isClean)
    }
    #expect(!ConformanceReport().isClean)
    #expect(ConformanceReport().summary == "0 passed, 0 failed, 0 of an unknown kind skipped")
  }

  @Test func aFileMayHaveAnyName() async throws {
    for (name, other) in [("envelope-flat-1-of-1-no-kms.json", "policies.json"), ("policies.json", "envelope-x.json")] {
      let report = try await check(other, vector(name))
      #expect(report.isClean && report.passedCount > 10, "\(name)")
    }
  }

  @Test func aMissingFieldIsAFailure() async throws {
    let name = "envelope-flat-1-of-1-no-kms.json"
    let json = try #require(try vector(name) as? [String: Any])
    for key in json.keys where !["name", "kms", "policy"].contains(key) {
      var less = json
      less[key] = nil
      let failedCount = try await check(name, less).failedCount
      #expect(failedCount > 0, "\(key)")
    }
  }
}
