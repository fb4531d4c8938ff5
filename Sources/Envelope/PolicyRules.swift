import Core

/// Checks a tree gate by gate in pre-order and stops at the first rule broken.
struct PolicyRules {
  private var gateCount = 0
  private var leafCount = 0

  /// Checks a gate, then the gates in it.
  mutating func check(_ gate: Gate, depth: Int) throws(PosternError) {
    let index = gateCount
    try enter(depth: depth)
    let members = gate.members
    guard members.allSatisfy({ (1...Policy.leafLimit).contains($0.weight) }) else {
      throw Self.refusal(.policyWeight, "A member's weight is not between 1 and 1,024.", index)
    }
    guard Set(members.map(\.key)).count == members.count else {
      throw Self.refusal(.policyTwice, "A member stands twice in one gate; weights are for that.", index)
    }
    let positionLimit = depth == 1 ? Policy.leafLimit : Policy.nestedPositionLimit
    let ownLeaves = members.reduce(0) { $0 + $1.weight }
    let positions = ownLeaves + gate.children.count - members.count
    guard positions <= positionLimit else {
      throw Self.refusal(.policyPositions, "A gate has \(positions) positions; it may have \(positionLimit).", index)
    }
    leafCount += ownLeaves
    guard leafCount <= Policy.leafLimit else {
      throw Self.refusal(.policyLeaves, "The policy has more than 1,024 leaf positions.", index)
    }
    guard gate.threshold >= 1, gate.threshold <= positions else {
      throw Self.refusal(
        .policyThreshold, "A gate wants \(gate.threshold) of \(positions) positions, which nobody could meet.", index)
    }
    for case .gate(let child) in gate.children { try check(child, depth: depth + 1) }
  }

  /// Counts a gate in: the two rules that bound the walk itself, so that a decoder can keep them as it reads.
  mutating func enter(depth: Int) throws(PosternError) {
    guard depth <= Policy.depthLimit else {
      throw Self.refusal(.policyDepth, "Gates are nested deeper than eight.", gateCount)
    }
    gateCount += 1
    guard gateCount <= Policy.gateLimit else {
      throw Self.refusal(.policyGates, "The policy has more than 64 gates.", gateCount - 1)
    }
  }

  /// Bounds what a decoder gathers for a gate before the gate can be checked: a child takes a position.
  func requireRoom(forChildren count: Int) throws(PosternError) {
    guard count <= Policy.leafLimit else {
      throw Self.refusal(.policyPositions, "A gate has \(count) children.", gateCount - 1)
    }
  }

  private static func refusal(_ code: PosternError.Code, _ message: String, _ gate: Int) -> PosternError {
    PosternError(code, message, advice: "Change gate \(gate) of the policy, counted from 0 at the root.", index: gate)
  }
}

extension Gate {
  /// The gate's own members, in order.
  var members: [(key: ShardPublicKey, weight: Int)] {
    children.compactMap { child in
      guard case .member(let key, let weight) = child else { return nil }
      return (key, weight)
    }
  }
}
