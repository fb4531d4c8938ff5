/// A chunker as many are: a gear hash whose table is the secret, cut where its lowest bits are zero.
struct BareGearChunker {
  /// A word a byte; only the lowest ``bits`` of each have a part in any cut.
  let table: [UInt32]
  /// How many bits have to be zero.
  let bits: Int
  let minimum: Int
  let maximum: Int

  /// Where a file's chunks end.
  func ends(_ file: [UInt8]) -> [Int] {
    let mask = UInt32(1) << UInt32(bits) - 1
    var ends: [Int] = []
    var (start, state) = (0, UInt32(0))
    for (offset, byte) in file.enumerated() {
      state = (state << 1) &+ table[Int(byte)]
      let count = offset + 1 - start
      guard count >= minimum && state & mask == 0 || count >= maximum || offset + 1 == file.count else { continue }
      ends.append(offset + 1)
      start = offset + 1
    }
    return ends
  }
}

/// The published attack on such chunkers: whoever knows one file and sees the lengths of its chunks has a linear
/// equation in the secret table for every cut, and solves them.
///
/// The state at a cut is `Σ 2^j × table[byte that lies j back]`, and zero modulo 2^bits. Where it is zero for a
/// table, it is zero for an odd multiple too, which cuts alike; so one word may be chosen.
struct GearAttack {
  private let bits: Int
  /// 256 coefficients and a right side a row, modulo 2^bits.
  private var rows: [[UInt32]]
  private var pivots: [(row: Int, column: Int, valuation: Int)] = []
  /// The table that explains the cuts.
  private(set) var table = [UInt32](repeating: 0, count: 256)

  private var mask: UInt32 { UInt32(1) << UInt32(bits) - 1 }

  /// Solves what the cuts of a known file say.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - ends: where its chunks end because their content says so.
  ///   - bits: how many bits are zero there.
  init(_ file: [UInt8], ends: [Int], bits: Int) {
    self.bits = bits
    // No chunk ends with a byte whose word is odd; one such word is chosen to be 1.
    let lastBytes = Set(ends.map { file[$0 - 1] })
    let chosen = Int((0...UInt8.max).first { !lastBytes.contains($0) } ?? 0)
    let mask = UInt32(1) << UInt32(bits) - 1
    rows = ends.filter { $0 >= bits }.map { end in
      var row = [UInt32](repeating: 0, count: 257)
      for back in 0..<bits { row[Int(file[end - 1 - back])] &+= 1 << UInt32(back) }
      row[256] = (0 &- row[chosen]) & mask
      row[chosen] = 0
      return row
    }
    eliminate()
    substitute()
    table[chosen] = 1
  }

  /// Brings the equations into steps.
  ///
  /// A coefficient with the fewest factors of two divides all others.
  private mutating func eliminate() {
    for valuation in 0..<bits {
      while let (row, column) = entry(of: valuation) {
        let number = pivots.count
        rows.swapAt(number, row)
        let (inverse, mask) = (GearAttack.inverse(rows[number][column] >> UInt32(valuation)), mask)
        let pivot = rows[number].map { $0 &* inverse & mask }
        rows[number] = pivot
        for other in number + 1..<rows.count where rows[other][column] != 0 {
          let factor = rows[other][column] >> UInt32(valuation)
          rows[other].withUnsafeMutableBufferPointer { row in
            for place in row.indices { row[place] = (row[place] &- factor &* pivot[place]) & mask }
          }
        }
        pivots.append((number, column, valuation))
      }
    }
  }

  /// A coefficient with so many factors of two in the rows that are left; none there has fewer.
  private func entry(of valuation: Int) -> (row: Int, column: Int)? {
    let low = UInt32(2) << UInt32(valuation) - 1
    for row in pivots.count..<max(pivots.count, rows.count) {
      let column = rows[row].withUnsafeBufferPointer { row in (0..<256).first { row[$0] & low != 0 } }
      if let column { return (row, column) }
    }
    return nil
  }

  /// Takes the words from the steps, the last one first.
  ///
  /// What no step says stays zero, and what contradicts is ignored.
  private mutating func substitute() {
    for (row, column, valuation) in pivots.reversed() {
      var rest = rows[row][256]
      for place in 0..<256 where place != column { rest = rest &- rows[row][place] &* table[place] }
      table[column] = (rest & mask) >> UInt32(valuation)
    }
  }

  /// The inverse of an odd number modulo 2^32, by Newton's iteration.
  private static func inverse(_ odd: UInt32) -> UInt32 {
    (0..<5).reduce(odd) { inverse, _ in inverse &* (2 &- odd &* inverse) }
  }
}
