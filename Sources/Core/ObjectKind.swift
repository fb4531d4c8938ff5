/// What an object is, as packs, the index and the wire number it.
public enum ObjectKind: UInt8, Sendable, CaseIterable {
  /// A sealed piece of a state.
  case chunk = 1
  /// An interior node of a dump.
  case node = 2
  /// A large part of a record.
  case body = 3
}
