import Fixtures
import Foundation
import Glibc

/// A file system of a few mebibytes that only programs started through it see, and that ends with the value.
///
/// It is a tmpfs in a mount namespace of its own. A process that reads a pipe of this value's holds the namespace:
/// whatever becomes of the tests, nothing of it is left.
final class SmallDisk: Sendable {
  /// What starts a program that sees it.
  let prefix: [String]
  /// Where it lies, for those programs.
  let path: String
  private let keeper: Child
  private let pipe: Descriptor
  private let folder: TemporaryFolder

  /// Whether this machine lets the tests have one.
  static let isAllowed: Bool = {
    let arguments = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /tmp"]
    guard let nowhere = try? Descriptor("/dev/null", O_RDWR),
      let child = try? Child(
        arguments[0], Array(arguments.dropFirst()), environment: ["PATH": SmallDisk.programs], folder: "/",
        descriptors: [nowhere, nowhere, nowhere])
    else { return false }
    for _ in 0..<400 {
      if let status = child.poll() { return status == 0 }
      usleep(5_000)
    }
    return false
  }()

  private static let programs = "/usr/sbin:/usr/bin:/sbin:/bin"

  /// A file system of some size.
  init(mebibyteCount: Int) async throws {
    folder = try TemporaryFolder()
    path = folder.path
    let ends = try Descriptor.pipe(in: folder.path)
    pipe = ends.writing
    let nowhere = try Descriptor("/dev/null", O_WRONLY)
    let script = "mount -t tmpfs -o size=\(mebibyteCount)m tmpfs \"$0\" && exec cat"
    keeper = try Child(
      "unshare", ["--mount", "sh", "-c", script, path], environment: ["PATH": SmallDisk.programs], folder: "/",
      descriptors: [ends.reading, nowhere, nowhere])
    prefix = ["nsenter", "--mount=/proc/\(keeper.pid)/ns/mnt"]
    try await waitUntilMounted()
  }

  private func waitUntilMounted() async throws {
    for _ in 0..<1_000 {
      let mounts = (try? String(contentsOfFile: "/proc/\(keeper.pid)/mounts", encoding: .utf8)) ?? ""
      if mounts.contains("tmpfs \(path) ") { return }
      guard keeper.poll() == nil else { break }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw Child.Failure(description: "the small file system could not be made")
  }

  /// The path of something on it, as the tests see it.
  func outside(_ name: String) -> String { "/proc/\(keeper.pid)/root\(path)/\(name)" }

  /// The names in a folder of it, sorted.
  func names(in name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: outside(name)).sorted()
  }

  /// Fills it to the last byte, or up to so many.
  func fill(_ name: String, byteCount: Int = .max) throws {
    let file = try Descriptor.output(outside(name))
    let piece = [UInt8](repeating: 7, count: 64 << 10)
    var left = byteCount
    while left > 0 {
      let count = write(file.number, piece, min(piece.count, left))
      guard count > 0 else { return }
      left -= count
    }
  }

  /// How many bytes are free.
  func freeByteCount() throws -> Int {
    var status = statvfs()
    guard statvfs(outside(""), &status) == 0 else { throw Child.Failure(description: "the small file system is gone") }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }

  /// Takes a file away.
  func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: outside(name))
  }
}
