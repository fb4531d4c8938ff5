import Dump
import Testing

@Suite struct LevelQueueTests {
  @Test func theLowestLevelComesFirstAndOfItTheNewest() {
    var queue = LevelQueue<Int>()
    #expect(queue.next(1) == nil)
    queue.add([1, 2, 3], level: 2)
    queue.add([10, 11], level: 1)
    queue.add([12], level: 1)
    queue.add([], level: 0)
    var groups: [[Int]] = []
    while let (level, nodes) = queue.next(2) {
      groups.append([level] + nodes)
      // What lies below a node comes before its neighbours.
      if level == 2, nodes.contains(3) { queue.add([13], level: 1) }
    }
    #expect(groups == [[1, 11, 12], [1, 10], [2, 2, 3], [1, 13], [2, 1]])
  }
}
