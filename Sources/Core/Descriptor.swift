import Glibc

/// The descriptor of an open file or folder, closed with its owner where it was opened for it.
public struct Descriptor: ~Copyable, Sendable {
  /// The number by which the operating system knows it.
  public let number: CInt
  private let isOwned: Bool

  /// Takes a descriptor over.
  ///
  /// - Parameters:
  ///   - number: an open descriptor.
  ///   - isOwned: whether it is closed with this value; false for one that the process was started with.
  public init(_ number: CInt, isOwned: Bool = true) {
    self.number = number
    self.isOwned = isOwned
  }

  deinit {
    if isOwned { close(number) }
  }
}
