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
}
