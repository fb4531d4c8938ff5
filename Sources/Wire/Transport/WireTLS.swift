public import Core
import NIOCore
import NIOSSL

/// A server's certificate: the wire then runs over TLS 1.3, and nothing older.
public struct WireServerTLS: Sendable {
  let context: NIOSSLContext

  /// Reads a certificate chain, leaf first, and its private key from PEM files.
  ///
  /// - Throws: ``Core/PosternError`` with `wire.tls` when a file cannot be read or the two do not belong together.
  public init(certificateChainFile: String, privateKeyFile: String) throws(PosternError) {
    do {
      let chain = try NIOSSLCertificate.fromPEMFile(certificateChainFile).map {
        NIOSSLCertificateSource.certificate($0)
      }
      let key = try NIOSSLPrivateKey(file: privateKeyFile, format: .pem)
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain, privateKey: .privateKey(key))
      configuration.minimumTLSVersion = .tlsv13
      configuration.applicationProtocols = [tlsProtocol]
      context = try NIOSSLContext(configuration: configuration)
    } catch {
      throw PosternError(
        .wireTLS,
        "The TLS certificate \(certificateChainFile) or its key \(privateKeyFile) cannot be used: \(NetworkReason.words(of: error)).",
        advice: "Give a PEM certificate chain, leaf first, and the PEM private key that belongs to it.")
    }
  }
}

/// Whom a client trusts to be the server: the wire then runs over TLS 1.3, and nothing older.
public struct WireClientTLS: Sendable {
  let context: NIOSSLContext
  let serverName: String?

  /// Makes a client that checks the server's certificate.
  ///
  /// - Parameters:
  ///   - trustRootsFile: PEM certificates to trust; nil for the system's.
  ///   - serverName: the name that the certificate must have; nil for the host that is connected to. NIO SSL also
  ///     takes a certificate that names the address that was connected to.
  /// - Throws: ``Core/PosternError`` with `wire.tls` when the file cannot be read.
  public init(trustRootsFile: String? = nil, serverName: String? = nil) throws(PosternError) {
    do {
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.minimumTLSVersion = .tlsv13
      configuration.applicationProtocols = [tlsProtocol]
      if let trustRootsFile {
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(trustRootsFile))
      }
      context = try NIOSSLContext(configuration: configuration)
    } catch {
      throw PosternError(
        .wireTLS,
        "The trusted certificates \(trustRootsFile ?? "of the system") cannot be used: \(NetworkReason.words(of: error)).",
        advice: "Give a PEM file of certificates.")
    }
    self.serverName = serverName
  }

  /// The handler that speaks TLS to `host`; addresses are checked as addresses and never named in the handshake.
  func handler(host: String) throws -> NIOSSLClientHandler {
    let name = serverName ?? host
    let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
    return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : name)
  }
}

/// The name in TLS's application protocol negotiation (RFC 7301); a server does not insist on it.
private let tlsProtocol = "postern/1"
