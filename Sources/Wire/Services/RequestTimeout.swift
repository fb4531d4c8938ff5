import Core
import GRPCCore

/// The deadline of a request as its metadata says it: `grpc-timeout`, one to eight ASCII digits and a unit.
///
/// gRPC's "TimeoutValue" is "positive integer as ASCII string of at most 8 digits" (PROTOCOL-HTTP2). GRPCCore's own
/// reader takes whatever Swift reads as a number, and ends the process where that is below zero. And it waits in a task
/// whose memory stays, also when the answer was given long before, until the time is up, which a client may choose. So
/// the transport counts it, and GRPCCore never sees it.
package enum RequestTimeout {
  /// The metadata's key.
  package static let key = "grpc-timeout"

  /// The longest timeout in hours; longer ones are cut to it, so that no clock's arithmetic can overflow.
  package static let hourLimit = 9_999

  /// How many nanoseconds a unit has.
  private static let units: [UInt8: Int64] = [
    UInt8(ascii: "n"): 1, UInt8(ascii: "u"): 1_000, UInt8(ascii: "m"): 1_000_000, UInt8(ascii: "S"): 1_000_000_000,
    UInt8(ascii: "M"): 60_000_000_000, UInt8(ascii: "H"): nanosecondsPerHour,
  ]

  private static let nanosecondsPerHour: Int64 = 3_600_000_000_000

  /// The time that a text says; nil for one that is no timeout.
  package static func duration(_ text: String) -> Duration? {
    let bytes = Array(text.utf8)
    let digits = bytes.dropLast()
    guard let name = bytes.last, let unit = units[name], (1...8).contains(digits.count),
      digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    let count = digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    let limit = Int64(hourLimit) * nanosecondsPerHour
    return .nanoseconds(count > limit / unit ? limit : count * unit)
  }

  /// Takes the timeout out of a request's metadata; the refusal where it cannot be read.
  static func take(from metadata: inout Metadata) -> (timeout: Duration?, refusal: PosternError?) {
    let values = Array(metadata[stringValues: key])
    metadata.removeAllValues(forKey: key)
    guard !values.isEmpty else { return (nil, nil) }
    guard values.count == 1, let timeout = duration(values[0]) else {
      let refusal = PosternError(
        .wireMalformed, "The request's timeout does not read as the format says.",
        advice: "Send one grpc-timeout of 1 to 8 digits and one of the units H, M, S, m, u and n.")
      return (nil, refusal)
    }
    return (timeout, nil)
  }
}
