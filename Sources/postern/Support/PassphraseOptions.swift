import ArgumentParser
import Client
import Core
import Glibc
import Sodium

/// Where a passphrase comes from: a file, or the person at the terminal.
struct PassphraseOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Read the key's passphrase from the first line of this file.", valueName: "file"))
  var passphraseFile: String?

  /// The passphrase of a key that exists.
  func existing(for path: String) throws(PosternError) -> SecretBytes {
    if let passphraseFile { return try PassphraseOptions.read(passphraseFile) }
    guard let terminal = Terminal(), let passphrase = terminal.askSecret("Passphrase of \(path): ") else {
      throw PosternError(
        .keyPassphraseNeeded, "The key \(path) is under a passphrase.",
        advice: "Type it at a terminal, or name a file that holds it with --passphrase-file.")
    }
    return passphrase
  }

  /// The passphrase for a new key: asked twice where a person types it.
  func new() throws(PosternError) -> SecretBytes {
    if let passphraseFile { return try PassphraseOptions.read(passphraseFile) }
    guard let terminal = Terminal(), let passphrase = terminal.askSecret("New passphrase: "),
      let again = terminal.askSecret("Once more: ")
    else {
      throw PosternError(
        .keyPassphraseNeeded, "No passphrase was given.",
        advice: "Type it twice at a terminal, or name a file that holds it with --passphrase-file.")
    }
    guard passphrase.equals(again) else {
      throw PosternError(
        .keyPassphraseMismatch, "The two passphrases are not the same; no key was made.",
        advice: "Run the command again and type the same one twice.")
    }
    return passphrase
  }

  private static func read(_ path: String) throws(PosternError) -> SecretBytes {
    var bytes = try InputFile.read(path, byteCountLimit: 4_096)
    defer { wipe(&bytes) }
    if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { bytes.removeSubrange(end...) }
    guard !bytes.isEmpty else {
      throw PosternError(
        .keyPassphraseNeeded, "The first line of “\(path)” is empty.", advice: "Write the passphrase on it.")
    }
    return SecretBytes(consuming: &bytes)
  }
}

extension KeyFile {
  /// Reads a key from a file or from standard input.
  ///
  /// - Parameters:
  ///   - path: the file, or `-`.
  ///   - role: what the key has to be for; nil for any.
  ///   - passphrase: where its passphrase comes from, if it has one.
  static func read(
    _ path: String, as role: HolderRole?, _ passphrase: PassphraseOptions
  ) throws(PosternError) -> KeyFile {
    let key = try NamedFile.read(path, byteCountLimit: KeyFile.textByteCountLimit) { (text) throws(PosternError) in
      defer { wipe(&text) }
      return try KeyFile(parsing: text) { () throws(PosternError) in try passphrase.existing(for: path) }
    }
    if let role { try key.require(role) }
    if isOpenToOthers(path) {
      Console.note("Others on this machine have access to the key “\(path)”. Take it from them: chmod 600 \(path)")
    }
    return key
  }

  /// Whether the mode of a key's file lets anyone but its owner in; a pipe's means nothing.
  private static func isOpenToOthers(_ path: String) -> Bool {
    var status = stat()
    guard path != InputFile.standardInput, stat(path, &status) == 0 else { return false }
    return status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o077 != 0
  }
}
