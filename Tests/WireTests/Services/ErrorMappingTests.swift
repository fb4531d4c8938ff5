import Core
import GRPCCore
import Testing
import Wire

@Suite struct ErrorMappingTests {
  @Test func aRefusalSurvivesTheRoundTrip() {
    for index in [nil, 0, 41] {
      let error = PosternError("log.some-reason", "What — went wrong.", advice: "Do ♥ this.", index: index)
      let rpc = RPCError(error)
      #expect(rpc.code == .failedPrecondition)
      let status = RPCError(code: rpc.code, message: rpc.message, metadata: rpc.metadata)
      #expect(PosternError(status) == error)
    }
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
      #expect(PosternError(error).code == .wireInternal, "\(code)")
    }
  }

  @Test func whatGRPCReportsHasACode() {
    let codes: [(RPCError.Code, PosternError.Code)] = [
      (.unavailable, .wireUnavailable), (.aborted, .wireUnavailable), (.deadlineExceeded, .wireDeadline),
      (.cancelled, .wireCancelled), (.unimplemented, .wireUnimplemented), (.resourceExhausted, .wireTooLarge),
      (.invalidArgument, .wireMalformed), (.internalError, .wireInternal), (.dataLoss, .wireInternal),
    ]
    for (code, expected) in codes {
      #expect(PosternError(RPCError(code: code, message: "m")).code == expected)
    }
  }
}
