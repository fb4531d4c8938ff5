import GRPCCore

/// A server's view of what a stream receives.
struct RequestSequence: AsyncSequence, Sendable {
  typealias Element = RPCRequestPart<WireBytes>
  typealias Failure = any Error

  let stream: WireStream

  func makeAsyncIterator() -> Iterator { Iterator(stream: stream) }

  struct Iterator: AsyncIteratorProtocol {
    let stream: WireStream

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> RPCRequestPart<WireBytes>? {
      let part: StreamPart?
      do {
        part = try await stream.next()
      } catch is CancellationError {
        throw RPCError.givenUp
      }
      return switch part {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      case .end, .status, nil: nil
      }
    }

    mutating func next() async throws -> RPCRequestPart<WireBytes>? { try await next(isolation: nil) }
  }
}

/// A client's view of what a stream receives.
struct ResponseSequence: AsyncSequence, Sendable {
  typealias Element = RPCResponsePart<WireBytes>
  typealias Failure = any Error

  let stream: WireStream

  func makeAsyncIterator() -> Iterator { Iterator(stream: stream) }

  struct Iterator: AsyncIteratorProtocol {
    let stream: WireStream

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> RPCResponsePart<WireBytes>? {
      switch try await stream.next() {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      case .status(let status, let metadata): .status(status, metadata)
      case .end, nil: nil
      }
    }

    mutating func next() async throws -> RPCResponsePart<WireBytes>? { try await next(isolation: nil) }
  }
}

/// A client's way to send on a stream.
struct RequestWriter: ClosableRPCWriterProtocol {
  let stream: WireStream

  func write(_ element: RPCRequestPart<WireBytes>) async throws {
    switch element {
    case .metadata(let metadata): try await stream.write(.metadata(metadata))
    case .message(let bytes): try await stream.write(.message(bytes))
    }
  }

  func write(contentsOf elements: some Sequence<RPCRequestPart<WireBytes>>) async throws {
    for element in elements { try await write(element) }
  }

  func finish() async {
    stream.finish(.end)
  }

  func finish(throwing error: any Error) async {
    // The call ends with what its producer threw, and not with the reset that follows from it.
    stream.reset(.cancelled, because: error as? RPCError)
  }
}

/// A server's way to send on a stream.
struct ResponseWriter: ClosableRPCWriterProtocol {
  let stream: WireStream

  func write(_ element: RPCResponsePart<WireBytes>) async throws {
    do {
      switch element {
      case .metadata(let metadata): try await stream.write(.metadata(metadata))
      case .message(let bytes): try await stream.write(.message(bytes))
      case .status(let status, let metadata): try await stream.write(.status(status, metadata))
      }
    } catch is CancellationError {
      throw RPCError.givenUp
    }
  }

  func write(contentsOf elements: some Sequence<RPCResponsePart<WireBytes>>) async throws {
    for element in elements { try await write(element) }
  }

  func finish() async {
    // A stream ends with its status; one that has none gets it when the handler returns.
  }

  func finish(throwing error: any Error) async {
    stream.reset(.internalError)
  }
}

extension RPCError {
  /// What a handler meets that waits for its client when that gives the call up, or when the call's time is over.
  ///
  /// GRPCCore would make a `CancellationError` a fault of the server's.
  fileprivate static let givenUp = RPCError(code: .cancelled, message: "The call was given up, or its time is over.")
}
