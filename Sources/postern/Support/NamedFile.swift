import Client
import Core

/// A file that a command is given, which is named in whatever is wrong with its form.
enum NamedFile {
  /// Reads a file, or standard input.
  ///
  /// - Parameters:
  ///   - path: the file, or `-`.
  ///   - byteCountLimit: the most bytes that it may have.
  ///   - parse: makes something of its bytes, which it wipes if they are a secret.
  /// - Throws: `file.*`, and what `parse` throws.
  static func read<Value: ~Copyable>(
    _ path: String, byteCountLimit: Int, _ parse: (inout [UInt8]) throws(PosternError) -> Value
  ) throws(PosternError) -> Value {
    var bytes = try InputFile.read(path, byteCountLimit: byteCountLimit)
    do throws(PosternError) {
      return try parse(&bytes)
    } catch {
      // What is wrong with the content has names of its own to say.
      guard [.armourKind, .armourMalformed, .keyMalformed].contains(error.code) else { throw error }
      let name = path == InputFile.standardInput ? "Standard input" : "“\(path)”"
      throw PosternError(error.code, "\(name): \(error.message)", advice: error.advice, index: error.index)
    }
  }
}
