import Core
package import NIOCore

/// Whom a server's shares are for: an IPv4 address, or the 64 bits of an IPv6 address that name its network, because
/// whoever has one of those has them all.
package struct PeerAddress: Hashable, Sendable {
  private let bytes: [UInt8]

  /// The address's owner; all peers without an address (a Unix socket's) are one.
  package init(_ address: SocketAddress?) {
    // Family and port, and IPv6's flow, stand before the address in the structures of Linux and Darwin alike.
    switch address {
    case .v4(let address):
      bytes = withUnsafeBytes(of: address.address) { Array($0[4..<8]) }
    case .v6(let address):
      let all = withUnsafeBytes(of: address.address) { Array($0[8..<24]) }
      // An IPv4 peer of a socket for both (RFC 4291, 2.5.5.2) is the same peer.
      let isMapped = all.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
      bytes = Array(isMapped ? all.suffix(4) : all.prefix(8))
    case .unixDomainSocket, nil:
      bytes = []
    }
  }

  /// The owner of the address in a peer's description, as this package's transports give it to GRPCCore.
  package init(describing peer: String) {
    let address = peer.drop { $0 != ":" }.dropFirst()
    let text = address.prefix(upTo: address.lastIndex(of: ":") ?? address.endIndex)
    let isBracketed = text.first == "[" && text.last == "]"
    self.init(try? SocketAddress(ipAddress: String(isBracketed ? text.dropFirst().dropLast() : text), port: 0))
  }

  /// The owner as a text, the same for all its addresses: what counts by it needs to know no more.
  package var key: String { bytes.hex }
}
