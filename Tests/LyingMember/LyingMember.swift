import Client
import Core
import Envelope
import Glibc
import Records
import Sodium

/// A council member who lies: signs an answer to a recovery request that opens a point which is not its share.
///
/// `lying-member KEY REQUEST OUT`. The rehearsal needs one, and the program itself has no way to lie.
@main
struct LyingMember {
  static func main() async {
    guard CommandLine.arguments.count == 4 else {
      print("lying-member KEY REQUEST OUT")
      exit(64)
    }
    do {
      try await lie(key: CommandLine.arguments[1], request: CommandLine.arguments[2], out: CommandLine.arguments[3])
    } catch {
      print(error)
      exit(1)
    }
  }

  private static func lie(key path: String, request: String, out: String) async throws {
    let bytes = try InputFile.read(request, byteCountLimit: RecoveryRequestFile.textByteCountLimit)
    let recovery = try await RecoveryCase(verifying: try RecoveryRequestFile(parsing: bytes))
    let text = try InputFile.read(path, byteCountLimit: KeyFile.textByteCountLimit)
    let key = try KeyFile(parsing: text) { () throws(PosternError) in SecretBytes.random(count: 1) }
    let number = try recovery.memberNumber(of: key)
    let statement = recovery.statement
    let answer = RecoveryAnswer(
      recovery: statement.recovery, member: UInt16(number), envelope: statement.epoch.envelope,
      sealedReleases: try falseReleases(statement, member: number, key), sealedVeilSecret: [])
    try PrivateFile.write(statement.sign(answer, with: key).text, to: out)
  }

  /// The member's leaves, each with a true proof and a false point.
  private static func falseReleases(
    _ statement: RecoveryStatement, member number: Int, _ key: borrowing KeyFile
  ) throws -> [UInt8] {
    let shard = key.master.shardKey()
    let leaves = statement.charter.recovery?.leaves(of: shard.publicKey) ?? []
    var message: [UInt8] = []
    for leaf in leaves {
      message.append(bigEndian: UInt16(leaf))
      message += shard.publicKey.bytes
      message += try statement.envelope.release(leaf: leaf, with: shard).withUnsafeBytes { Array($0.dropFirst(32)) }
    }
    var info: [UInt8] = []
    info.append(string: "postern/v1/release")
    info.append(statement.recovery)
    info.append(statement.epoch.envelope)
    return message.withUnsafeBytes {
      SealedMessage.seal($0, to: statement.request.memberRecipients[number], info: info)
    }
  }
}
