import Core
import Foundation
import Merkle
import Sodium
import Testing
import Trust

@Suite struct ReceiptTests {
  @Test func carriesTheRecordAndVerifiesOffline() async throws {
    let log = try MemoryLog(leafCount: 300)
    for index in [0, 1, 255, 256, 299] {
      let receipt = try Receipt(log.proven(index), note: log.note)
      let read = try Receipt(parsing: receipt.bytes)
      #expect(read == receipt && read.proven.leaf == log.leaves[index] && read.proven.index == UInt64(index))
      let signed = try read.verify(log: log.verifier)
      #expect(signed.checkpoint.size == 300 && signed.checkpoint.root == log.root)
      try read.proven.verify(under: signed)
    }
  }

  /// What `Schema/log.md` shows is a receipt, so that another implementation can be tried on it.
  @Test func verifiesTheExampleOfTheDocument() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Schema/log.md")
    let document = try String(contentsOf: file, encoding: .utf8)
    let blocks = document.components(separatedBy: "```\n").filter { $0.hasPrefix("c2sp.org/tlog-proof@v1\n") }
    let vkey = try #require(document.components(separatedBy: "`").first { $0.hasPrefix("example.com/log+") })
    let receipt = try Receipt(parsing: ascii(#require(blocks.first)))
    #expect(try receipt.verify(log: NoteVerifier(parsing: vkey)).checkpoint.size == 3)
    #expect(receipt.proven.leaf == ascii("two") && receipt.proven.index == 1)
    #expect(try NoteSigner(name: "example.com/log", key: key(1)).verifier.text == vkey)
  }

  @Test func keepsCosignatures() async throws {
    let log = try MemoryLog(leafCount: 5)
    let witness = try Cosigner(name: "witness.example", key: key(2))
    var note = log.note
    try note.add(witness.signature(over: note, timeSeconds: 77))
    let receipt = try Receipt(parsing: Receipt(log.proven(3), note: note).bytes)
    let signed = try receipt.verify(log: log.verifier, cosigners: [witness.verifier])
    #expect(signed.cosignatures.map(\.timeSeconds) == [77])
    #expect(try receipt.verify(log: log.verifier).cosignatures.isEmpty)
  }

  @Test func refusesEveryChangedBitAndEveryCut() async throws {
    let log = try MemoryLog(leafCount: 11)
    let bytes = try Receipt(log.proven(6), note: log.note).bytes
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: PosternError.self, "bit \(bit)") { try Receipt(parsing: changed).verify(log: log.verifier) }
    }
    for count in bytes.indices {
      #expect(throws: PosternError.self) {
        try Receipt(parsing: Array(bytes[..<count])).verify(log: log.verifier)
      }
    }
  }

  @Test func refusesWhatIsNoReceipt() async throws {
    let log = try MemoryLog(leafCount: 4)
    let proven = try log.proven(2)
    let bare = try TlogProof(extra: nil, index: 2, path: proven.path, note: log.note)
    #expect(await code { _ = try Receipt(parsing: bare.bytes) } == .receiptLeaf)
    let long = [UInt8](repeating: 1, count: 65_536)
    let large = try TlogProof(extra: long, index: 2, path: proven.path, note: log.note)
    #expect(await code { _ = try Receipt(parsing: large.bytes) } == .receiptLeaf)
    for leaf in [[], long] {
      let other = ProvenLeaf(index: 2, leaf: leaf, path: proven.path)
      #expect(await code { _ = try Receipt(other, note: log.note) } == .receiptLeaf)
    }
    #expect(await code { _ = try Receipt(parsing: []) } == .logProof)
    let stranger = try NoteVerifier(name: "example.com/log", type: .ed25519, key: key(9).verificationKey)
    let receipt = try Receipt(proven, note: log.note)
    #expect(await code { _ = try receipt.verify(log: stranger) } == .logUnsigned)
  }

  @Test func refusesALeafThatTheCheckpointDoesNotCover() async throws {
    let log = try MemoryLog(leafCount: 40)
    let signed = try SignedCheckpoint(verifying: log.note, log: log.verifier)
    let proven = try log.proven(20)
    try proven.verify(under: signed)
    let refused: [(ProvenLeaf, PosternError.Code)] = [
      (ProvenLeaf(index: 21, leaf: proven.leaf, path: proven.path), .logInclusion),
      (ProvenLeaf(index: 40, leaf: proven.leaf, path: proven.path), .logRange),
      (ProvenLeaf(index: 20, leaf: proven.leaf + [0], path: proven.path), .logInclusion),
      (ProvenLeaf(index: 20, leaf: proven.leaf, path: []), .logInclusion),
      (ProvenLeaf(index: 20, leaf: .init(repeating: 0, count: 65_536), path: []), .logEntryLength),
    ]
    for (leaf, expected) in refused { #expect(await code { try leaf.verify(under: signed) } == expected) }
  }
}
