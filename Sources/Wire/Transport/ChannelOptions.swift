import NIOCore

/// Reads grow to a mebibyte where bulk flows, and shrink again where it does not.
let connectionReceiveAllocator = AdaptiveRecvByteBufferAllocator(minimum: 16 << 10, initial: 64 << 10, maximum: 1 << 20)

/// Enough on its way to the kernel that the socket never runs dry between two turns of the event loop.
let connectionWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 512 << 10, high: 2 << 20)

/// A peer as GRPCCore's contexts describe it: `ipv4:127.0.0.1:443`.
func peerDescription(_ address: SocketAddress) -> String {
  let text = address.ipAddress ?? ""
  let port = address.port ?? 0
  return switch address {
  case .v4: "ipv4:\(text):\(port)"
  case .v6: "ipv6:[\(text)]:\(port)"
  case .unixDomainSocket: "unix:\(address.pathname ?? "")"
  }
}
