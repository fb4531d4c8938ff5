/// Labels and values under each other.
enum Table {
  /// Two columns, the labels as wide as the widest of them.
  static func text(_ rows: [(label: String, value: String)]) -> String {
    let width = rows.map(\.label.count).max() ?? 0
    return rows.map { row in
      "  " + row.label + String(repeating: " ", count: width - row.label.count + 2) + row.value
    }.joined(separator: "\n")
  }
}
