public import Core
public import GRPCCore

extension PosternError: RPCErrorConvertible {
  /// The gRPC status that says roughly the same; programs compare ``Core/PosternError/code`` instead.
  public var rpcErrorCode: RPCError.Code {
    let reason = code.rawValue.drop { $0 != "." }.dropFirst()
    return switch reason {
    case "not-found": .notFound
    case "malformed": .invalidArgument
    case "too-large", "limit", "busy", "full": .resourceExhausted
    case "unauthorized", "forbidden": .permissionDenied
    case "unavailable": .unavailable
    case "deadline": .deadlineExceeded
    case "cancelled", "given-up": .cancelled
    case "unimplemented": .unimplemented
    case "internal": .internalError
    default: .failedPrecondition
    }
  }

  /// The sentence.
  public var rpcErrorMessage: String { message }

  /// The trailers that carry code, index and advice.
  public var rpcErrorMetadata: Metadata {
    var metadata: Metadata = [PosternTrailer.code: .string(code.rawValue)]
    if let index { metadata.addString(String(index), forKey: PosternTrailer.index) }
    metadata.addBinary(Array(advice.utf8), forKey: PosternTrailer.advice)
    return metadata
  }

  /// The error that a call ended with.
  ///
  /// What was thrown on this side comes back as it was; what the transport or gRPC itself reports becomes one of this
  /// module's codes. A server's refusal keeps its code where that is one for a server to find, and its sentence says
  /// who speaks: no program that compares codes, this one among them, and no person shall take what an archive says for
  /// what this side found when it checked the archive.
  ///
  /// - Parameter service: whose method was called.
  package init(_ error: RPCError, of service: ServiceDescriptor) {
    if let cause = error.cause as? PosternError {
      self = cause
      return
    }
    guard let code = error.metadata[stringValues: PosternTrailer.code].first(where: PosternTrailer.isCode) else {
      self = PosternError.transportError(error)
      return
    }
    guard PosternTrailer.areas(of: service).contains(code.prefix { $0 != "." }) else {
      self = PosternError.foreignCode(code, error.message)
      return
    }
    let advice = error.metadata[binaryValues: PosternTrailer.advice].first { _ in true } ?? []
    let index = error.metadata[stringValues: PosternTrailer.index].first { _ in true }
    self.init(
      Code(rawValue: code), "The archive says: \(error.message)", advice: String(decoding: advice, as: UTF8.self),
      index: index.flatMap { Int($0) })
  }

  /// A refusal whose code claims what only the one can find who checks an archive.
  private static func foreignCode(_ code: String, _ message: String) -> PosternError {
    PosternError(
      .wireRefusal, "The archive refuses with “\(code)”, which is not for it to find, and says: \(message)",
      advice: "Nothing was checked, so take it as proof of nothing: try again, or use another archive.")
  }

  /// What the transport or gRPC itself reports.
  fileprivate static func transportError(_ error: RPCError) -> PosternError {
    switch error.code {
    case .unavailable, .aborted:
      PosternError(.wireUnavailable, error.message, advice: "Try again; if it stays, check address and server.")
    case .deadlineExceeded:
      PosternError(.wireDeadline, "The call took too long.", advice: "Try again, or allow it more time.")
    case .cancelled:
      PosternError(.wireCancelled, error.message, advice: "Try again.")
    case .unimplemented:
      PosternError(.wireUnimplemented, error.message, advice: "Use a client and a server of the same version.")
    case .resourceExhausted:
      PosternError(.wireTooLarge, error.message, advice: "Send less at once.")
    case .invalidArgument:
      PosternError(.wireMalformed, error.message, advice: "Use a client and a server of the same version.")
    default:
      PosternError(.wireInternal, error.message, advice: "Try again; if it stays, report it with the server's log.")
    }
  }
}

extension Status {
  /// The status and trailers that a server sends, with a code where its maker gave none.
  ///
  /// GRPCCore refuses calls by itself: methods that it does not know, messages that it cannot read.
  static func withCode(_ status: Status, _ metadata: Metadata) -> (Status, Metadata) {
    guard let error = RPCError(status: status, metadata: metadata),
      !metadata[stringValues: PosternTrailer.code].contains(where: PosternTrailer.isCode)
    else { return (status, metadata) }
    let refusal = PosternError.transportError(error)
    var trailers = metadata
    trailers.removeAllValues(forKey: PosternTrailer.code)
    trailers.removeAllValues(forKey: PosternTrailer.advice)
    trailers.add(contentsOf: refusal.rpcErrorMetadata)
    let code = status.code == .unknown ? .internalError : status.code
    return (Status(code: code, message: status.message), trailers)
  }
}

/// The trailers of a refusal.
package enum PosternTrailer {
  /// `area.reason`.
  package static let code = "postern-code"
  /// A decimal number.
  package static let index = "postern-index"
  /// UTF-8, which only a binary value may be.
  package static let advice = "postern-advice-bin"

  /// The areas of the codes that the methods of a service refuse with.
  ///
  /// Whoever reads from an archive checks what it gives, so there no code of a check is the archive's to use. Admission
  /// checks what it is sent; yet none of its codes is one by which a client judges a log.
  static func areas(of service: ServiceDescriptor) -> Set<Substring> {
    let always: Set<Substring> = ["archive", "epoch", "index", "pack", "request", "storage", "wire"]
    guard service == Postern_V1_Admission.descriptor else { return always }
    return always.union(["charter", "dump", "envelope", "key", "policy", "push", "record", "veil"])
  }

  /// Whether a text from outside has the form of a code: two parts of at most 64 letters, digits and hyphens.
  static func isCode(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { part in
        (1...64).contains(part.count)
          && part.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
          }
      }
  }
}
