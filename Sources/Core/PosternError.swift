/// Why something was refused or could not be done, in words that stay the same from release to release.
///
/// The value crosses the wire (its code in the trailer `postern-code`), stands in logs and is what a command prints;
/// what came over the wire says so, and never has a code by which this side judges the other. Each module lists its own
/// codes in an extension; `Schema/errors.md` lists them all.
public struct PosternError: Error, Hashable, Sendable {
  /// `area.reason`, stable: programs compare it.
  public struct Code: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral {
    /// The code's text: two parts of lower-case letters, digits and hyphens with a dot between them.
    public let rawValue: String

    /// Takes a code as it came over the wire; one that this version does not know is kept.
    public init(rawValue: String) {
      self.rawValue = rawValue
    }

    /// A code as a module spells it.
    public init(stringLiteral value: String) {
      self.init(rawValue: value)
    }
  }

  /// What a program compares.
  public let code: Code
  /// What went wrong: one sentence for a person.
  public let message: String
  /// What to do next: one sentence for a person.
  public let advice: String
  /// Which one, where the rule is broken by one of many: a leaf, a gate, a line.
  public let index: Int?

  /// Makes an error.
  ///
  /// - Parameters:
  ///   - code: `area.reason`.
  ///   - message: one sentence: what went wrong.
  ///   - advice: one sentence: what to do next.
  ///   - index: which of many broke the rule.
  public init(_ code: Code, _ message: String, advice: String, index: Int? = nil) {
    self.code = code
    self.message = message
    self.advice = advice
    self.index = index
  }
}

extension PosternError: CustomStringConvertible {
  /// Sentence, advice and code, as a command prints them.
  public var description: String {
    let place = index.map { " [\($0)]" } ?? ""
    return "\(message) \(advice) (\(code.rawValue)\(place))"
  }
}
