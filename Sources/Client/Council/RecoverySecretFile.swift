public import Core
public import Envelope
import Sodium

extension Armour.Kind {
  /// What a recovering node keeps for one recovery.
  static let recoverySecret = Armour.Kind("RECOVERY SECRET", byteCountLimit: RecoverySecret.byteCount)
}

/// The secret beside a recovery request: whoever has it can read the members' answers.
public enum RecoverySecretFile {
  /// The most bytes that the file may have.
  public static let textByteCountLimit = Armour.Kind.recoverySecret.textByteCountLimit

  /// The file's bytes, to be written for nobody else to read.
  public static func text(_ secret: borrowing RecoverySecret) -> [UInt8] {
    var body = secret.withUnsafeBytes { Array($0) }
    defer { wipe(&body) }
    return Armour(.recoverySecret, body: body).text
  }

  /// Reads the file; the caller wipes the text.
  ///
  /// - Throws: `armour.*`, `key.length`.
  public static func parse(_ text: [UInt8]) throws(PosternError) -> RecoverySecret {
    var armour = try Armour(parsing: text, expecting: .recoverySecret)
    return try RecoverySecret(consuming: &armour.body)
  }
}
