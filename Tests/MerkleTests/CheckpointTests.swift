import Core
import Merkle
import Sodium
import Testing

@Suite struct CheckpointTests {
  /// The example of C2SP tlog-checkpoint.
  private static let example = """
    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    """

  @Test func readsTheExampleOfTheFormat() throws {
    let checkpoint = try Checkpoint(parsing: ascii(Self.example))
    #expect(checkpoint.origin == "example.com/behind-the-sofa" && checkpoint.size == 20_852_163)
    #expect(checkpoint.root.hex == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
    #expect(checkpoint.text == ascii(Self.example))
    #expect(try Checkpoint(parsing: ascii(Self.example + "extension\nanother one\n")) == checkpoint)
    #expect(try Checkpoint(parsing: ascii("a b+c\n0\n" + String(repeating: "A", count: 43) + "=\n")).origin == "a b+c")
    let largest = try Checkpoint(origin: "o", size: .max, root: .zero)
    #expect(try Checkpoint(parsing: largest.text) == largest)
  }

  @Test func refusesEveryOtherSpelling() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    let texts = [
      "", "\n", "o\n", "o\n1\n", "o\n1\n\(root)", "\n1\n\(root)\n", "o\n\n\(root)\n", "o\n1\n\n", "o\n01\n\(root)\n",
      "o\n00\n\(root)\n", "o\n+1\n\(root)\n", "o\n-1\n\(root)\n", "o\n 1\n\(root)\n", "o\n1 \n\(root)\n",
      "o\n1e3\n\(root)\n", "o\n0x1\n\(root)\n", "o\n18446744073709551616\n\(root)\n",
      "o\n99999999999999999999999\n\(root)\n", "o\n١\n\(root)\n",
      "o\n1\n\(root) \n", "o\n1\n \(root)\n", "o\n1\n\(root.dropLast())\n", "o\n1\n\(root.dropLast(2))J=\n",
      "o\n1\n\(root)\n\n", "o\n1\n\(root)\next\n\nmore\n", "o\n1\n\(root)\next",
      "o\n1\n" + root.replacing("/", with: "_") + "\n",
      "o\n1\nAAAA\n", "o\n1\n\(root)AAAA\n", String(repeating: "o", count: 256) + "\n1\n\(root)\n",
    ]
    for text in texts { #expect(code { _ = try Checkpoint(parsing: ascii(text)) } == .logCheckpoint, "\(text)") }
    for origin in ["", "a b", "a+b", "a\nb", String(repeating: "o", count: 256)] {
      #expect(code { _ = try Checkpoint(origin: origin, size: 1, root: .zero) } == .logOrigin)
    }
  }

  @Test func opensUnderTheLogsKeyOnly() throws {
    let log = try NoteSigner(name: "example.com/log", key: key(1))
    let witness = try Cosigner(name: "w", key: key(2))
    let checkpoint = try Checkpoint(origin: "example.com/log", size: 3, root: TreeHash.leaf([]))
    var note = try checkpoint.signed(by: log)
    try note.add(witness.signature(over: note, timeSeconds: 5))
    let signed = try SignedCheckpoint(parsing: note.bytes, log: log.verifier, cosigners: [witness.verifier])
    #expect(signed.checkpoint == checkpoint && signed.note == note)
    #expect(signed.cosignatures.map(\.timeSeconds) == [5])
    #expect(try SignedCheckpoint(parsing: note.bytes, log: log.verifier).cosignatures.isEmpty)
    let other = try NoteVerifier(name: "example.com/log", type: .ed25519, key: key(9).verificationKey)
    #expect(code { _ = try SignedCheckpoint(verifying: note, log: other) } == .logUnsigned)
    // A cosigner's word alone is none of the log's.
    #expect(
      code { _ = try SignedCheckpoint(verifying: note, log: other, cosigners: [witness.verifier]) } == .logUnsigned)
  }

  @Test func refusesAnotherLogsCheckpointUnderTheSameKey() throws {
    let log = try NoteSigner(name: "example.com/log", key: key(1))
    func refusal(_ checkpoint: Checkpoint) -> PosternError.Code? {
      code { _ = try SignedCheckpoint(verifying: checkpoint.signed(by: log), log: log.verifier) }
    }
    #expect(refusal(try Checkpoint(origin: "example.com/other", size: 3, root: .zero)) == .logOrigin)
    #expect(refusal(try Checkpoint(origin: "example.com/log", size: 0, root: .zero)) == .logCheckpoint)
    #expect(refusal(try Checkpoint(origin: "example.com/log", size: 0, root: TreeHash.empty)) == nil)
    var note = try SignedNote(text: ascii("example.com/log\nnonsense\n"))
    try note.add(log.signature(over: note))
    #expect(code { _ = try SignedCheckpoint(verifying: note, log: log.verifier) } == .logCheckpoint)
  }

  /// Two spellings of é are one string to Swift, and two origins to a log.
  @Test func comparesOriginsAsBytes() throws {
    let composed = try Checkpoint(origin: "caf\u{E9}", size: 1, root: .zero)
    #expect(composed.isOf(origin: "caf\u{E9}") && !composed.isOf(origin: "cafe\u{301}"))
    let decomposed = try Checkpoint(origin: "cafe\u{301}", size: 1, root: .zero)
    #expect(composed != decomposed && Set([composed, decomposed]).count == 2)
    let log = try NoteSigner(name: "cafe\u{301}", key: key(1))
    #expect(code { _ = try SignedCheckpoint(verifying: composed.signed(by: log), log: log.verifier) } == .logOrigin)
  }
}
