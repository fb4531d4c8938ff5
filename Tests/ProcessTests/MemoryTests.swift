import Foundation
import Testing

extension ProcessTests {
  /// Memory does not grow with the state, on either side.
  @Suite struct Memory {
    private static let mebibyteCount = 512
    private static let sharedMebibyteCount = 64
    private static let clientLimit = 128 << 20
    private static let serverLimit = 256 << 20

    @Test func aLargeStateNeedsLittleMemory() async throws {
      let (machine, server, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: Memory.mebibyteCount)
      let push = ["push", "--app", app, "--key", "solo/uploader.key"]
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out"]
      // Once everything is sent and once nothing is; from a pipe and from a file, into a file and into a pipe.
      try await require(machine, push + ["-"], "push from a pipe", beside: ["cat", "state.bin"], isSource: true)
      try await require(machine, push + ["state.bin"], "push from a file")
      try await require(machine, recover + ["out"], "recover into a file")
      #expect(try machine.sameBytes("state.bin", "out"))
      try await require(machine, recover + ["-"], "recover into a pipe", beside: ["cmp", "-", "state.bin"])
      _ = server.child.poll()
      print("Peak memory: server \(server.child.peakByteCount >> 20) MiB")
      #expect(server.child.peakByteCount < Memory.serverLimit)
    }

    /// Nor does it grow much with how many push at once: what a peer may send ahead is shared among them.
    @Test(arguments: [("content", 16_384), ("fixed", 4_096)])
    func sixteenUploadersAtOnceNeedLittleMemory(_ kind: String, _ size: Int) async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine, options: ["--max-registrations", "16"])
      machine = machine.asking(server)
      let asking = machine
      var apps: [String] = []
      for number in 0..<16 {
        apps.append(
          try await machine.register(
            "app-\(number)", members: ["m-\(number)"], threshold: 1, uploaders: ["u-\(number)"],
            requester: "r-\(number)", kms: "k-\(number)", chunker: (kind, size)))
        try machine.writeState("state-\(number)", mebibyteCount: Memory.sharedMebibyteCount, seed: UInt64(number))
      }
      try await withThrowingTaskGroup(of: Void.self) { pushes in
        for (number, app) in apps.enumerated() {
          pushes.addTask {
            try await asking.must("push", "--app", app, "--key", "u-\(number).key", "state-\(number)")
          }
        }
        try await pushes.waitForAll()
      }
      _ = server.child.poll()
      print("Peak memory: server of sixteen, \(kind), \(server.child.peakByteCount >> 20) MiB")
      #expect(server.child.peakByteCount < Memory.serverLimit)
    }

    /// Runs a command, with another program at the other end of a pipe, and looks at its memory.
    private func require(
      _ machine: Machine, _ arguments: [String], _ what: String, beside other: [String] = [], isSource: Bool = false
    ) async throws {
      let nowhere = try Descriptor("/dev/null", O_RDWR)
      var pipe = other.isEmpty ? nil : try Descriptor.pipe(in: machine.folder)
      let child = try machine.start(
        arguments, input: isSource ? pipe?.reading ?? nowhere : nowhere,
        output: isSource ? nowhere : pipe?.writing ?? nowhere, errors: nowhere)
      let end =
        try other.isEmpty
        ? nil
        : Child(
          other[0], Array(other.dropFirst()), environment: ["PATH": "/usr/bin:/bin"], folder: machine.folder,
          descriptors: [
            isSource ? nowhere : pipe?.reading ?? nowhere, isSource ? pipe?.writing ?? nowhere : nowhere, nowhere,
          ])
      pipe = nil
      #expect(try await child.wait(timeoutSeconds: 300) == 0, "\(what)")
      #expect(try await end?.wait() ?? 0 == 0, "\(what): the other end")
      print("Peak memory: \(what) \(child.peakByteCount >> 20) MiB")
      #expect(child.peakByteCount > 10 << 20 && child.peakByteCount < Memory.clientLimit, "\(what)")
    }
  }
}
