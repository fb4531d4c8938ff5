/// A policy's tree laid flat: gates in pre-order, leaves in transcript order, and who fills which position.
///
/// A charter without a council door has the layout ``none``.
struct PolicyLayout: Sendable {
  /// What fills one position of a gate.
  enum Position: Sendable {
    /// A leaf, by its number.
    case leaf(Int)
    /// A nested gate, by its number, which is above its parent's.
    case gate(Int)
  }

  /// A gate with numbered positions.
  struct NumberedGate: Sendable {
    let threshold: Int
    /// Position `i` of the sharing is element `i - 1`.
    fileprivate(set) var positions: [Position] = []
  }

  /// No council door: no gate and no leaf.
  static let none = PolicyLayout()

  private(set) var gates: [NumberedGate] = []
  private(set) var leaves: [ShardPublicKey] = []
  /// Every position in the order of the transcript.
  private(set) var transcriptOrder: [Position] = []

  private init() {}

  /// The layout of a tree that keeps every rule.
  init(_ root: Gate) {
    number(root)
  }

  private mutating func number(_ gate: Gate) {
    let index = gates.count
    gates.append(NumberedGate(threshold: gate.threshold))
    for child in gate.children {
      switch child {
      case .member(let key, let weight):
        for _ in 0..<weight {
          place(.leaf(leaves.count), in: index)
          leaves.append(key)
        }
      case .gate(let child):
        place(.gate(gates.count), in: index)
        number(child)
      }
    }
  }

  private mutating func place(_ position: Position, in gate: Int) {
    gates[gate].positions.append(position)
    transcriptOrder.append(position)
  }

  /// Whether the leaves that `holds` says are there satisfy every gate up to the root.
  func isSatisfied(by holds: (Int) -> Bool) -> Bool {
    var satisfied = [Bool](repeating: false, count: gates.count)
    for (index, gate) in gates.enumerated().reversed() {
      let present = gate.positions.count { position in
        switch position {
        case .leaf(let leaf): holds(leaf)
        case .gate(let child): satisfied[child]
        }
      }
      satisfied[index] = present >= gate.threshold
    }
    return satisfied.first ?? false
  }
}
