import GRPCCore
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// Why the network, or TLS, failed, in words that end a sentence after a colon.
public enum NetworkReason {
  /// The words for an error.
  ///
  /// - Parameter error: what NIO or NIO SSL threw, or an `RPCError` around it; of any other error, its description.
  public static func words(of error: any Error) -> String {
    switch error {
    case let error as RPCError: error.cause.map { words(of: $0) } ?? sentenceless(error.message)
    case let error as NIOConnectionError: error.connectionErrors.last.map { words(of: $0.error) } ?? unknownName
    case is SocketAddressError, is SocketAddressError.UnknownHost: unknownName
    case ChannelError.connectTimeout(let time): "no answer within \(time.nanoseconds / 1_000_000_000) s"
    case let error as IOError: words(ofNumber: error.errnoCode)
    case let error as NIOSSLError: words(of: error)
    case is NIOSSLExtraError: "its certificate names another host"
    case is BoringSSLError: "the certificate and the key do not belong together"
    default: sentenceless("\(error)")
    }
  }

  private static let unknownName = "the name is unknown"
  private static let untrusted = "its certificate is not trusted, or not valid today"

  private static func words(ofNumber number: CInt) -> String {
    switch number {
    case ECONNREFUSED: "nothing listens there"
    case ECONNRESET, EPIPE: "the other side closed the connection"
    case EHOSTUNREACH, ENETUNREACH: "there is no way there"
    case ETIMEDOUT: "no answer"
    case EADDRINUSE: "another program listens there"
    case EADDRNOTAVAIL: "this machine has no such address"
    case EACCES, EPERM: "it is not allowed"
    case ENOENT: "there is no such file"
    default: String(cString: strerror(number))
    }
  }

  private static func words(of error: NIOSSLError) -> String {
    switch error {
    case .noSuchFilesystemObject: return "there is no such file"
    case .failedToLoadCertificate: return "there is no such file, or no certificate in PEM form in it"
    case .failedToLoadPrivateKey: return "the private key is not in PEM form, or not the certificate's"
    case .uncleanShutdown: return "the other side closed the connection"
    case .unableToValidateCertificate, .noCertificateToValidate: return untrusted
    case .handshakeFailed(let cause):
      // The library's own names; there are no others to tell the cases apart by.
      let text = "\(cause)"
      if text.contains("CERTIFICATE_VERIFY_FAILED") { return untrusted }
      if text.contains("WRONG_VERSION_NUMBER") { return "it does not speak TLS" }
      return "the TLS handshake failed"
    default: return "TLS failed"
    }
  }

  /// A text without the full stop that its sentence will have.
  private static func sentenceless(_ text: String) -> String {
    text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}
