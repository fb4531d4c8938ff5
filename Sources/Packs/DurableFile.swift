public import Core

/// Files that are there whole or not at all, also after a power failure.
public enum DurableFile {
  /// Writes a file under its name: a temporary file beside it, synced, renamed, and the folder synced.
  ///
  /// When it returns, the file is durable. When it throws, the name leads to what it led to before, except
  /// after `storage.sync-failed` of the folder, when the new content may stand there. A crash can leave the
  /// temporary file, `.NAME.….tmp`: ``DataFolder`` removes those of its own at its next start.
  ///
  /// - Parameters:
  ///   - bytes: the content.
  ///   - path: the name.
  ///   - permissions: the file's mode from the first byte on, 0600 for secrets.
  ///   - replacing: whether a file of that name may be replaced.
  ///   - files: the file system.
  /// - Throws: `storage.exists` when the name is taken and may not be replaced; `storage.missing`,
  ///   `storage.denied`, `storage.full`, `storage.failed`, `storage.sync-failed`.
  public static func write(
    _ bytes: UnsafeRawBufferPointer, to path: String, permissions: UInt32 = 0o644, replacing: Bool = false,
    files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let (folder, name) = split(path)
    let mark = UInt64.random(in: 0...UInt64.max)
    let temporary = "\(folder)/.\(name).\(String(mark, radix: 16))\(temporarySuffix)"
    do throws(PosternError) {
      try writeSynced(bytes, to: temporary, permissions: permissions, files: files)
      try rename(temporary, to: path, replacing: replacing, files: files)
    } catch {
      // What only its owner may read is a secret.
      try? discard(temporary, isSecret: permissions & 0o077 == 0, files: files)
      throw error
    }
    try syncFolder(folder, files: files)
  }

  /// Writes a file under its name, as above, from an array.
  ///
  /// - Throws: as above.
  public static func write(
    _ bytes: [UInt8], to path: String, permissions: UInt32 = 0o644, replacing: Bool = false,
    files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(PosternError) in
      let bytes = UnsafeRawBufferPointer(buffer)
      try write(bytes, to: path, permissions: permissions, replacing: replacing, files: files)
    }
  }

  /// Reads a whole file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - byteLimit: the most bytes that it may have.
  ///   - files: the file system.
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`; `storage.too-long` beyond the limit.
  public static func read(
    _ path: String, byteLimit: Int, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> [UInt8] {
    let file = try OpenFile(path, .read, files: files)
    let length = try file.length()
    guard length <= byteLimit else {
      throw PosternError(
        .storageTooLong, "\(path) has \(length) bytes, and at most \(byteLimit) are read.",
        advice: "Check that it is the file you mean.")
    }
    guard let bytes = try file.read(at: 0, count: Int(length)) else {
      throw PosternError(
        .storageFailed, "\(path) became shorter while it was read.", advice: "Let nothing else write it.")
    }
    return bytes
  }

  /// Makes a folder and its name durable; a folder that is there is synced all the same, because a crash may
  /// have come between its making and its sync.
  ///
  /// - Throws: `storage.missing` where its parent is, `storage.denied`, `storage.full`, `storage.failed`,
  ///   `storage.sync-failed`.
  public static func makeFolder(
    _ path: String, permissions: UInt32 = 0o755, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    do throws(FileFailure) {
      _ = try files.makeFolder(path, permissions: permissions)
    } catch {
      throw error.error(path)
    }
    try syncFolder(split(path).folder, files: files)
  }

  /// Makes the names in a folder durable.
  ///
  /// - Throws: `storage.missing`, `storage.sync-failed`.
  public static func syncFolder(_ path: String, files: any FileLayer = SystemFiles()) throws(PosternError) {
    try OpenFile(path, .folder, files: files).syncFolder()
  }

  /// Writes a new file and makes its content durable; its name is not yet.
  static func writeSynced(
    _ bytes: UnsafeRawBufferPointer, to path: String, permissions: UInt32, files: any FileLayer
  ) throws(PosternError) {
    let file = try OpenFile(path, .create, permissions: permissions, files: files)
    try file.write(bytes, at: 0)
    try file.syncData()
  }

  /// Whether a name is that of a temporary file of another: `.NAME.HEX.tmp`.
  static func isTemporary(_ name: String, of other: String) -> Bool {
    let prefix = ".\(other)."
    guard name.hasPrefix(prefix), name.hasSuffix(temporarySuffix) else { return false }
    return isMark(name.dropFirst(prefix.count).dropLast(temporarySuffix.count))
  }

  /// Whether text is one of the random numbers by which names of temporary files differ.
  static func isMark(_ text: some StringProtocol) -> Bool {
    UInt64(text, radix: 16).map { String($0, radix: 16) == text } ?? false
  }

  /// Removes a temporary file that was given up.
  ///
  /// A secret is overwritten before, which a file system that writes in place makes good, and others do not.
  static func discard(_ path: String, isSecret: Bool, files: any FileLayer) throws(PosternError) {
    if isSecret { try? overwrite(path, files: files) }
    do throws(FileFailure) {
      try files.remove(path)
    } catch {
      throw error.error(path)
    }
  }

  private static let temporarySuffix = ".tmp"

  private static func overwrite(_ path: String, files: any FileLayer) throws(PosternError) {
    let file = try OpenFile(path, .update, files: files)
    let length = try file.length()
    let zeros = [UInt8](repeating: 0, count: Int(min(length, 1 << 16)))
    var position: UInt64 = 0
    while position < length {
      let piece = zeros.prefix(Int(min(length - position, 1 << 16)))
      try piece.withUnsafeBufferPointer { (piece) throws(PosternError) in
        try file.write(UnsafeRawBufferPointer(piece), at: position)
      }
      position += UInt64(piece.count)
    }
    try file.syncData()
  }

  /// Renames a file; durable once the new name's folder is synced.
  static func rename(
    _ path: String, to other: String, replacing: Bool, files: any FileLayer
  ) throws(PosternError) {
    do throws(FileFailure) {
      try files.rename(path, to: other, replacing: replacing)
    } catch {
      throw error.error(other)
    }
  }

  /// The folder and the last part of a path, slashes behind it left out: `.` where the path names no folder, and no
  /// name where it is nothing but slashes.
  package static func split(_ path: String) -> (folder: String, name: String) {
    // Bytes and not characters: a slash with an accent behind it is another character.
    let bytes = path.utf8
    let slash = UInt8(ascii: "/")
    guard let last = bytes.lastIndex(where: { $0 != slash }) else { return (path.isEmpty ? "." : "/", "") }
    let end = bytes.index(after: last)
    guard let cut = bytes[..<end].lastIndex(of: slash) else { return (".", String(path[..<end])) }
    let folder = cut == bytes.startIndex ? "/" : String(path[..<cut])
    return (folder, String(path[bytes.index(after: cut)..<end]))
  }
}
