extension RandomAccessCollection where Index == Int {
  /// The first index of a sorted collection whose element does not come before a place, found by bisection.
  ///
  /// - Parameter isBefore: whether an element comes before the place: of all the first elements, and of no other.
  @inlinable
  package func position(_ isBefore: (Element) -> Bool) -> Int {
    var (low, high) = (startIndex, endIndex)
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The same, from an index on that does not lie behind the place: near it found in few steps.
  ///
  /// - Parameters:
  ///   - start: where to begin.
  ///   - isBefore: as for ``position(_:)``.
  @inlinable
  package func position(from start: Int, _ isBefore: (Element) -> Bool) -> Int {
    var (low, step) = (start, 1)
    while endIndex - low >= step, isBefore(self[low + step - 1]) {
      low += step
      step *= 2
    }
    let high = Swift.min(low + step - 1, endIndex)
    return self[low..<high].position(isBefore)
  }
}
