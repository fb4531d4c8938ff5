public import Core
import Sodium
import SystemPackage

/// Reads what a command is given: a file, or what is piped into it.
public enum InputFile {
  /// The name that means standard input.
  public static let standardInput = "-"

  /// A whole file, or all of standard input for ``standardInput``.
  ///
  /// - Parameters:
  ///   - path: the file, or `-`.
  ///   - byteCountLimit: the most bytes that it may have; one more is read at the most.
  /// - Throws: `file.unreadable`, `file.too-large`.
  public static func read(_ path: String, byteCountLimit: Int) throws(PosternError) -> [UInt8] {
    guard path != standardInput else { return try read(.standardInput, path, byteCountLimit) }
    let file: FileDescriptor
    do {
      file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
    } catch {
      throw .unreadable(path, error)
    }
    defer { try? file.close() }
    return try read(file, path, byteCountLimit)
  }

  /// Appends to bytes that may be a secret: where they have to move, nothing of them stays behind.
  private static func append(_ piece: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
    if bytes.capacity - bytes.count < piece.count {
      var moved: [UInt8] = []
      moved.reserveCapacity(max(bytes.count * 2, bytes.count + piece.count))
      moved += bytes
      swap(&bytes, &moved)
      wipe(&moved)
    }
    bytes += piece
  }

  private static func read(
    _ file: FileDescriptor, _ path: String, _ limit: Int
  ) throws(PosternError) -> [UInt8] {
    // Grown piece by piece, so that a short key does not take the memory of the longest charter.
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    defer { wipe(&piece) }
    while bytes.count <= limit {
      let count: Int
      do {
        count = try piece.withUnsafeMutableBytes { try file.read(into: $0) }
      } catch {
        throw .unreadable(path, error)
      }
      guard count > 0 else { return bytes }
      append(piece[..<count], to: &bytes)
    }
    let name = path == standardInput ? "Standard input" : "“\(path)”"
    throw PosternError(
      .fileTooLarge, "\(name) is not what is asked for here, which has at most \(limit) bytes.",
      advice: "Check that it is the right file.")
  }
}

extension PosternError {
  fileprivate static func unreadable(_ path: String, _ error: any Error) -> PosternError {
    PosternError(
      .fileUnreadable, "The file “\(path)” cannot be read: \(error).",
      advice: "Check its name, and that you may read it.")
  }
}
