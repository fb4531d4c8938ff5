import Archive
import Core
import Fixtures
import Logging
import Packs
import Service
import Synchronization
import Testing

/// What a peer is told of an error, and what the log keeps for the archive's operator.
@Suite struct RefusalsTests {
  private static let path = "/srv/postern/packs"

  /// What a peer is told, and the lines that were logged.
  private func told(_ error: PosternError) -> (error: PosternError, lines: [String]) {
    let lines = Lines()
    var logger = Logger(label: "test") { _ in KeptLog(lines: lines) }
    logger.logLevel = .trace
    return (error.forPeers(logger), lines.all)
  }

  @Test(arguments: [
    PosternError.Code.storageFailed, .storageDenied, .storageFull, .storageSyncFailed, .packDamaged, .packFull,
    "index.damaged", "index.newer", "storage.some-later-code",
  ])
  func nothingIsSaidOfTheServersFiles(code: PosternError.Code) {
    let error = PosternError(code, "\(Self.path) is broken.", advice: "Look at \(Self.path).", index: 3)
    let (told, lines) = told(error)
    #expect(told.code == code && told.index == 3)
    #expect(!told.description.contains(Self.path))
    // The operator gets all of it, once.
    #expect(lines == ["error: a request was refused: \(error)"])
  }

  @Test func aFullDiskIsSaidToBeOne() {
    let full = told(PosternError(.storageFull, "\(Self.path) is full.", advice: "Free space.")).error
    let failed = told(PosternError(.storageFailed, "\(Self.path) is broken.", advice: "Look.")).error
    #expect(full.message.contains("full") && full.message != failed.message && full.advice != failed.advice)
  }

  /// What the archive's disk did is told to both: the uploader can do something about it, and the operator has to.
  @Test func aRottenPushIsToldAndLogged() {
    let error = PosternError(.pushRotten, "A sentence.", advice: "Another.")
    let (told, lines) = told(error)
    #expect(told == error && lines == ["error: a request was refused: \(error)"])
  }

  @Test(arguments: ["epoch.version-went-back", "request.field", "storageroom.full", "dump.too-large", "push.budget"])
  func whatThePeerDidIsToldAsItIs(code: String) {
    let error = PosternError(.init(rawValue: code), "A sentence.", advice: "Another.", index: 1)
    let (told, lines) = told(error)
    #expect(told == error && lines.isEmpty)
  }
}

/// Lines of a log.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: [String] { lines.withLock { $0 } }

  func append(_ line: String) { lines.withLock { $0.append(line) } }
}

/// A log that is kept in memory.
private struct KeptLog: LogHandler {
  let lines: Lines
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace

  init(lines: Lines) { self.lines = lines }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let error = event.metadata?["error"].map { "\($0)" } ?? ""
    lines.append("\(event.level): \(event.message): \(error)")
  }
}
