import Core
import Foundation
import GRPCCore
import Testing
import Wire

@Suite struct ErrorMappingTests {
  private static let services = [
    Postern_V1_Log.descriptor, Postern_V1_Catalog.descriptor, Postern_V1_Admission.descriptor,
  ]

  /// What a client gets of a refusal.
  private func told(_ error: PosternError, _ service: ServiceDescriptor) -> PosternError {
    let rpc = RPCError(error)
    return PosternError(RPCError(code: rpc.code, message: rpc.message, metadata: rpc.metadata), of: service)
  }

  @Test func aRefusalSurvivesTheRoundTrip() {
    for index in [nil, 0, 41] {
      let error = PosternError("push.some-reason", "What — went wrong.", advice: "Do ♥ this.", index: index)
      #expect(RPCError(error).code == .failedPrecondition)
      let said = PosternError(
        error.code, "The archive says: What — went wrong.", advice: "Do ♥ this.", index: index)
      #expect(told(error, Postern_V1_Admission.descriptor) == said)
    }
  }

  /// What a client takes for its own deadline once its time is up.
  @Test func whatIsGivenUpIsCancelled() {
    #expect(RPCError(PosternError("archive.given-up", "It was.", advice: "Do.")).code == .cancelled)
    #expect(RPCError(PosternError(.wireCancelled, "It was.", advice: "Do.")).code == .cancelled)
  }

  /// What an archive refuses with keeps its code.
  @Test func anArchivesCodesArrive() {
    let reading: [PosternError.Code] = [
      .archiveNotFound, "archive.request", "archive.stopped", "epoch.unknown-app", "index.busy", "pack.object-damaged",
      "request.field", "storage.failed", "storage.full", .wireUnimplemented, .wireUnavailable,
    ]
    let admission: [PosternError.Code] = [
      .epochNotAdmitted, .pushUnknown, .pushFenced, .pushEnded, .pushIncomplete, "charter.registered",
      "dump.node-order", "envelope.gate", "epoch.taken", "key.possession", "policy.twice", "record.author",
      "veil.encoding",
    ]
    for (codes, services) in [(reading, Self.services[...]), (admission, Self.services[2...])] {
      for code in codes {
        for service in services {
          let error = told(PosternError(code, "It is so.", advice: "Do.", index: 3), service)
          #expect(error == PosternError(code, "The archive says: It is so.", advice: "Do.", index: 3), "\(code)")
        }
      }
    }
  }

  /// No code by which a client judges what it is given comes from who gives it.
  @Test func noJudgementArrives() throws {
    let schema = URL(filePath: "../../../Schema/errors.md", relativeTo: URL(filePath: #filePath))
    let codes = try String(contentsOf: schema, encoding: .utf8).split(separator: "\n")
      .filter { $0.hasPrefix("| `") }.map { String($0.split(separator: "`")[1]) }
    let judged = ["log", "view", "source", "folder", "receipt", "capsule", "blame", "release", "recover", "recovery"]
    let judgedByReaders = judged + ["charter", "dump", "envelope", "key", "policy", "push", "record", "veil"]
    var count = 0
    for code in codes {
      let area = String(code.prefix { $0 != "." })
      for service in Self.services {
        let isReading = service != Postern_V1_Admission.descriptor
        guard (isReading ? judgedByReaders : judged).contains(area) else { continue }
        count += 1
        let error = told(PosternError(.init(rawValue: code), "It is so.", advice: "Trust me.", index: 3), service)
        #expect(error.code == .wireRefusal && error.index == nil, "\(code)")
        #expect(error.message.hasPrefix("The archive ") && error.message.contains("“\(code)”"), "\(code)")
        #expect(error.message.hasSuffix(" It is so.") && !error.advice.contains("Trust me."), "\(code)")
      }
    }
    #expect(count > 300)
  }

  @Test func theReasonPicksTheStatus() {
    let statuses: [(String, RPCError.Code)] = [
      ("app.not-found", .notFound), ("x.malformed", .invalidArgument), ("x.limit", .resourceExhausted),
      ("x.busy", .resourceExhausted), ("x.forbidden", .permissionDenied), ("x.unavailable", .unavailable),
      ("x.internal", .internalError), ("x.anything", .failedPrecondition), ("nodot", .failedPrecondition),
    ]
    for (code, status) in statuses {
      let error = PosternError(PosternError.Code(rawValue: code), "m", advice: "a")
      #expect(error.rpcErrorCode == status, "\(code)")
    }
  }

  @Test func codesFromOutsideAreHeldToTheirForm() {
    for code in ["", "plain", "a.", ".b", "a.b.c", "UP.per", "a b.c", String(repeating: "x", count: 65) + ".y"] {
      let error = RPCError(code: .internalError, message: "m", metadata: ["postern-code": .string(code)])
      #expect(PosternError(error, of: Postern_V1_Log.descriptor).code == .wireInternal, "\(code)")
    }
  }

  @Test func whatGRPCReportsHasACode() {
    let codes: [(RPCError.Code, PosternError.Code)] = [
      (.unavailable, .wireUnavailable), (.aborted, .wireUnavailable), (.deadlineExceeded, .wireDeadline),
      (.cancelled, .wireCancelled), (.unimplemented, .wireUnimplemented), (.resourceExhausted, .wireTooLarge),
      (.invalidArgument, .wireMalformed), (.internalError, .wireInternal), (.dataLoss, .wireInternal),
    ]
    for (code, expected) in codes {
      #expect(PosternError(RPCError(code: code, message: "m"), of: Postern_V1_Log.descriptor).code == expected)
    }
  }
}
