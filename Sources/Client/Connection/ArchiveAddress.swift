public import Core

/// Where an archive listens, and whom to trust to be it.
public struct ArchiveAddress: Hashable, Sendable {
  /// How the bytes travel.
  ///
  /// What an archive says is proven either way; TLS hides who asks for what.
  public enum Security: Hashable, Sendable {
    /// As they are.
    case plain
    /// Over TLS 1.3.
    ///
    /// - Parameter trustRootsPath: PEM certificates to trust; nil for the system's.
    case tls(trustRootsPath: String?)
  }

  /// The host's name or address.
  public let host: String
  /// The TCP port.
  public let port: Int
  /// How the bytes travel.
  public let security: Security

  /// An address from its parts.
  public init(host: String, port: Int, security: Security = .plain) {
    self.host = host
    self.port = port
    self.security = security
  }

  /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
  ///
  /// - Throws: `address.malformed`.
  public init(parsing text: String, security: Security = .plain) throws(PosternError) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
      throw .malformedAddress(text)
    }
    var host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, host.utf8.count <= 253, isBracketed || !host.contains(":") else {
      throw .malformedAddress(text)
    }
    self.init(host: String(host), port: Int(port), security: security)
  }
}

extension ArchiveAddress {
  /// What to look at where no archive has answered yet.
  var adviceWhereNothingAnswers: String {
    switch security {
    case .plain:
      "Check the address, and that an archive runs there; if it speaks TLS, say --tls, or --tls-ca FILE."
    case .tls:
      "Check the address, and that an archive runs there; if it speaks no TLS, leave --tls and --tls-ca out, and if "
        + "its certificate is not of a public authority, name the one to trust with --tls-ca FILE."
    }
  }
}

extension PosternError {
  fileprivate static func malformedAddress(_ text: String) -> PosternError {
    PosternError(
      .addressMalformed, "“\(text)” is no archive's address.",
      advice: "Write HOST:PORT, such as archive.example:7411 or [2001:db8::1]:7411.")
  }
}
