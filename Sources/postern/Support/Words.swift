import Foundation

/// Numbers for people.
enum Words {
  /// Bytes in the largest unit that leaves a number of at least one: `1.5 MiB`.
  static func bytes(_ count: some BinaryInteger) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var value = Double(count)
    var unit = 0
    while value >= 1_024, unit + 1 < units.count {
      value /= 1_024
      unit += 1
    }
    return unit == 0 ? "\(count) B" : String(format: "%.1f ", value) + units[unit]
  }

  /// A share in per cent.
  static func share(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }

  /// Seconds: `4.2 s`, `3 min 20 s`.
  static func seconds(_ seconds: Double) -> String {
    guard seconds >= 60 else { return String(format: "%.1f s", seconds) }
    let whole = Int(seconds.rounded())
    return "\(whole / 60) min \(whole % 60) s"
  }
}
