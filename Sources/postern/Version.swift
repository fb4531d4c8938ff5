/// The program's version.
enum Version {
  /// As `postern --version` prints it and `Describe` answers it.
  static let text = "0.1.0"
}
