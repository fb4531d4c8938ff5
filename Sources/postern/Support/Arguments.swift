public import ArgumentParser
public import Client
public import Core

extension Digest: ExpressibleByArgument {
  /// A digest as a command takes it: 64 hexadecimal digits.
  public init?(argument: String) {
    self.init(hex: argument)
  }
}

extension HolderRole: ExpressibleByArgument {}
