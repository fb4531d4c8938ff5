import Dump
import Testing

@Suite struct LevelStackTests {
  @Test func theLowestLevelComesFirstAndOfItTheNewest() {
    var stack = LevelStack<Int>()
    #expect(stack.next(1) == nil)
    stack.add([1, 2, 3], level: 2)
    stack.add([10, 11], level: 1)
    stack.add([12], level: 1)
    stack.add([], level: 0)
    var groups: [[Int]] = []
    while let (level, nodes) = stack.next(2) {
      groups.append([level] + nodes)
      // What lies below a node comes before its neighbours.
      if level == 2, nodes.contains(3) { stack.add([13], level: 1) }
    }
    #expect(groups == [[1, 11, 12], [1, 10], [2, 2, 3], [1, 13], [2, 1]])
  }

  @Test func aGroupCostsNoMoreThanItMayUnlessOneNodeAloneDoes() {
    var stack = LevelStack<Int>()
    stack.add([4, 9, 1, 2, 3, 3, 1], level: 1)
    var groups: [[Int]] = []
    while let (_, nodes) = stack.next(7, cost: { $0 }) { groups.append(nodes) }
    #expect(groups == [[3, 3, 1], [1, 2], [9], [4]])
  }
}
