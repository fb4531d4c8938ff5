import Dump
import Foundation

/// What chunk lengths tell about a file that somebody knows: how likely they are if that file was cut, under a
/// key that nobody knows.
///
/// The file is stored as it is, so that its lengths hold nothing but its cuts. The likelihood is exact, so that no
/// other observer of the same lengths decides between two files better than whoever compares theirs.
struct LengthObserver {
  private let minimum: Int
  private let maximum: Int
  /// What lengths are padded to; 1 where they are not.
  private let step: Int
  /// Where a chunk may begin or end: the file's beginning, its nominated positions, its end.
  private let places: [Int]
  /// For each position, how many of `places` are before it.
  private let placeCounts: [Int]
  /// How likely it is that so many nominated positions are passed over.
  private let passes: [Double]
  private let pick: Double

  init(_ file: [UInt8], _ average: ChunkerParameters.ContentAverage, step: Int) {
    let parameters = ChunkerParameters.content(average)
    (minimum, maximum, self.step) = (parameters.chunkByteCountMinimum, parameters.chunkByteCount, step)
    var (places, state) = ([0], UInt64(0))
    for (offset, byte) in file.enumerated() {
      state = GearHash.state(after: byte, state)
      if state < GearHash.nominationLimit, offset + 1 < file.count { places.append(offset + 1) }
    }
    places.append(file.count)
    var (counts, count) = ([Int](), 0)
    for position in 0...file.count + 1 {
      counts.append(count)
      if count < places.count, places[count] == position { count += 1 }
    }
    (self.places, placeCounts) = (places, counts)
    let pick = Double(GearHash.nominationDistance) / Double(Int(average.rawValue) - minimum)
    self.pick = pick
    passes = (0...places.count).map { pow(1 - pick, Double($0)) }
  }

  /// How likely lengths are whose order is known, as a logarithm.
  func logLikelihood(inOrder lengths: [Int]) -> Double {
    var weights = [1.0] + [Double](repeating: 0, count: places.count - 1)
    var scale = 0.0
    for length in lengths.dropLast() {
      var next = [Double](repeating: 0, count: places.count)
      spread(weights, length, into: &next)
      let sum = next.reduce(0, +)
      guard sum > 0 else { return -.infinity }
      scale += log(sum)
      weights = next.map { $0 / sum }
    }
    return scale + log(end(weights, lengths.last ?? 0))
  }

  /// How likely lengths are whose order is not known, as a logarithm: over all orders that there are, so a dozen
  /// lengths at the most.
  func logLikelihood(sorted lengths: [Int]) -> Double {
    let values = Set(lengths).sorted()
    let counts = values.map { value in lengths.count { $0 == value } }
    let radixes = counts.reduce(into: [1]) { $0.append(($0.last ?? 1) * ($1 + 1)) }
    // Which lengths were used so far is a number with a digit for each value; using one more makes it larger.
    var weights = [[Double]?](repeating: nil, count: radixes.last ?? 1)
    weights[0] = [1.0] + [Double](repeating: 0, count: places.count - 1)
    var likelihood = 0.0
    for code in weights.indices {
      guard let here = weights[code].take() else { continue }
      let digits = counts.indices.map { code / radixes[$0] % (counts[$0] + 1) }
      let isLast = digits.reduce(1, +) == lengths.count
      for number in values.indices where digits[number] < counts[number] {
        if isLast {
          likelihood += end(here, values[number])
        } else {
          let next = code + radixes[number]
          var there = weights[next].take() ?? [Double](repeating: 0, count: places.count)
          spread(here, values[number], into: &there)
          weights[next] = there
        }
      }
    }
    return log(likelihood)
  }

  /// Where a chunk of this length may end, for every place where it may begin.
  private func spread(_ weights: [Double], _ length: Int, into next: inout [Double]) {
    for (place, weight) in weights.enumerated() where weight > 0 {
      let start = places[place]
      let first = start + minimum
      let shortest = max(first, start + length - step + 1)
      let longest = min(start + length, start + maximum - 1, places[places.count - 1] - 1)
      guard shortest <= longest else { continue }
      let firstCandidate = placeCounts[first]
      for end in placeCounts[shortest]..<placeCounts[longest + 1] {
        next[end] += weight * pick * passes[end - firstCandidate]
      }
    }
  }

  /// How likely it is that the last chunk has this length.
  private func end(_ weights: [Double], _ length: Int) -> Double {
    let fileEnd = places[places.count - 1]
    var sum = 0.0
    for (place, weight) in weights.enumerated() where weight > 0 {
      let rest = fileEnd - places[place]
      guard rest > length - step, rest <= length else { continue }
      let passed = rest <= minimum ? 0 : placeCounts[fileEnd] - placeCounts[places[place] + minimum]
      sum += weight * passes[passed]
    }
    return sum
  }
}
