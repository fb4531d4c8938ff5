import Core
import GRPCCore

/// The deadline of a request as its metadata says it: `grpc-timeout`, one to eight ASCII digits and a unit.
///
/// gRPC's "TimeoutValue" is "positive integer as ASCII string of at most 8 digits" (PROTOCOL-HTTP2). GRPCCore's own
/// reader takes whatever Swift reads as a number, and ends the process where that is below zero; and it passes over
/// eight digits in silence. So no request reaches it whose timeout has not been read here.
package enum RequestTimeout {
  /// The metadata's key.
  package static let key = "grpc-timeout"

  /// The longest timeout in hours; longer ones are cut to it, so that no clock's arithmetic can overflow.
  package static let hourLimit = 9_999

  /// Digits that GRPCCore reads.
  private static let digitLimit = 7

  /// Units from the shortest, each with how many of it make one of the next.
  private static let units: [(name: UInt8, countInNext: Int)] = [
    (UInt8(ascii: "n"), 1_000), (UInt8(ascii: "u"), 1_000), (UInt8(ascii: "m"), 1_000), (UInt8(ascii: "S"), 60),
    (UInt8(ascii: "M"), 60), (UInt8(ascii: "H"), 1),
  ]

  /// The same timeout as GRPCCore reads it, rounded up; nil for a text that is no timeout.
  package static func normalized(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    guard let name = bytes.last, var unit = units.firstIndex(where: { $0.name == name }) else { return nil }
    let digits = bytes.dropLast()
    guard (1...8).contains(digits.count), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    var amount = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    while String(amount).count > digitLimit, unit < units.count - 1 {
      let count = units[unit].countInNext
      amount = (amount + count - 1) / count
      unit += 1
    }
    if unit == units.count - 1 { amount = min(amount, hourLimit) }
    return String(amount) + String(decoding: [units[unit].name], as: UTF8.self)
  }

  /// Rewrites the timeout among a request's metadata for GRPCCore; the refusal where it cannot be read.
  static func normalize(_ metadata: inout Metadata) -> PosternError? {
    let values = Array(metadata[stringValues: key])
    guard !values.isEmpty else { return nil }
    guard values.count == 1, let value = normalized(values[0]) else {
      return PosternError(
        .wireMalformed, "The request's timeout does not read as the format says.",
        advice: "Send one grpc-timeout of 1 to 8 digits and one of the units H, M, S, m, u and n.")
    }
    if value != values[0] { metadata.replaceOrAddString(value, forKey: key) }
    return nil
  }
}
