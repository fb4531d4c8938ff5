import Core
import Foundation
import GRPCCore
import NIOCore
import NIOPosix
import NIOSSL
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSTests {
  /// A certificate made by the openssl command, for as long as `body` takes.
  private func withCertificate(
    names: String = "DNS:localhost,IP:127.0.0.1",
    _ body: (_ certificate: String, _ key: String) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wire-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (certificate, key) = (folder.appendingPathComponent("c.pem").path, folder.appendingPathComponent("k.pem").path)
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    openssl.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-addext", "subjectAltName=\(names)", "-keyout", key, "-out",
      certificate,
    ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    try #require(openssl.terminationStatus == 0)
    try await body(certificate, key)
  }

  @Test func callsGoOverTLS() async throws {
    try await withCertificate { certificate, key in
      let server = try WireServerTLS(certificateChainFile: certificate, privateKeyFile: key)
      for name in ["localhost", nil] {
        let client = try WireClientTLS(trustRootsFile: certificate, serverName: name)
        try await withEcho(serverTLS: server, clientTLS: client) { client, _, _ in
          let answer = try await client.call("Echo", [UInt8](repeating: 5, count: 2_000_000))
          #expect(answer.count == 2_000_000)
          for index in 0..<50 {
            let answer = try await client.call("Echo", [UInt8(index)])
            #expect(answer == [UInt8(index)])
          }
        }
      }
    }
  }

  @Test func anUntrustedOrWronglyNamedServerIsRefused() async throws {
    try await withCertificate(names: "DNS:localhost") { certificate, key in
      let server = try WireServerTLS(certificateChainFile: certificate, privateKeyFile: key)
      let clients = [
        try WireClientTLS(), try WireClientTLS(trustRootsFile: certificate, serverName: "elsewhere.example"),
      ]
      for tls in clients {
        try await withEcho(serverTLS: server, clientTLS: tls) { client, _, _ in
          let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
          #expect(error?.code == .unavailable)
        }
      }
    }
  }

  @Test func plainAndTLSDoNotMix() async throws {
    try await withCertificate { certificate, key in
      let server = try WireServerTLS(certificateChainFile: certificate, privateKeyFile: key)
      let tls = try WireClientTLS(trustRootsFile: certificate, serverName: "localhost")
      for (serverTLS, clientTLS) in [(server, nil), (nil, tls)] as [(WireServerTLS?, WireClientTLS?)] {
        var limits = WireServerLimits()
        limits.connection.handshakeTimeoutSeconds = 0.5
        try await withEcho(
          server: limits, client: limits.connection, serverTLS: serverTLS, clientTLS: clientTLS
        ) { client, _, _ in
          let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
          #expect(error?.code == .unavailable)
        }
      }
    }
  }

  @Test func anOlderTLSIsRefused() async throws {
    try await withCertificate { certificate, key in
      let server = try WireServerTLS(certificateChainFile: certificate, privateKeyFile: key)
      try await withEcho(serverTLS: server) { _, address, _ in
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = ["openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:\(address.port)"]
        openssl.standardInput = FileHandle.nullDevice
        openssl.standardOutput = FileHandle.nullDevice
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        #expect(openssl.terminationStatus != 0)
      }
    }
  }

  @Test func filesThatAreNoCertificatesAreRefused() async throws {
    let missing = #expect(throws: PosternError.self) {
      try WireServerTLS(certificateChainFile: "/nonexistent/c.pem", privateKeyFile: "/nonexistent/k.pem")
    }
    #expect(missing?.code == .wireTLS)
    #expect(throws: PosternError.self) { try WireClientTLS(trustRootsFile: "/nonexistent/c.pem") }
  }
}
