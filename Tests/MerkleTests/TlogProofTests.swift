import Core
import Merkle
import Testing

@Suite struct TlogProofTests {
  private static func proof(extra: [UInt8]?) throws -> (TlogProof, NoteVerifier, Digest) {
    let naive = NaiveTree(leafCount: 11)
    var tree = Tree()
    var store = TileStore()
    store.add(tree.append(naive.leaves))
    let log = try NoteSigner(name: "example.com/log", key: key(1))
    let note = try Checkpoint(origin: "example.com/log", size: 11, root: tree.root).signed(by: log)
    let path = try InclusionProof(index: 9, treeSize: 11, reading: store.read).hashes
    return (try TlogProof(extra: extra, index: 9, path: path, note: note), log.verifier, naive.leaves[9])
  }

  @Test func roundTripsAndVerifies() throws {
    for extra: [UInt8]? in [nil, [0], [1, 2], [1, 2, 3], ascii("foobar"), .init(repeating: 9, count: 65_535)] {
      let (proof, log, leaf) = try Self.proof(extra: extra)
      #expect(try TlogProof(parsing: proof.bytes) == proof)
      #expect(try proof.verify(leafHash: leaf, log: log).checkpoint.size == 11)
      #expect(code { _ = try proof.verify(leafHash: .zero, log: log) } == .logInclusion)
    }
    let text = String(decoding: try Self.proof(extra: ascii("foobar")).0.bytes, as: UTF8.self)
    #expect(text.hasPrefix("c2sp.org/tlog-proof@v1\nextra Zm9vYmFy\nindex 9\n"))
    #expect(text.contains("=\n\nexample.com/log\n11\n"))
  }

  @Test func refusesEveryChangedBitAndEveryCut() throws {
    let (proof, log, leaf) = try Self.proof(extra: nil)
    let bytes = proof.bytes
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: PosternError.self, "bit \(bit)") {
        try TlogProof(parsing: changed).verify(leafHash: leaf, log: log)
      }
    }
    for count in bytes.indices {
      #expect(throws: PosternError.self) {
        try TlogProof(parsing: Array(bytes[..<count])).verify(leafHash: leaf, log: log)
      }
    }
  }

  @Test func refusesOtherLines() throws {
    let note = String(decoding: try Self.proof(extra: nil).0.note.bytes, as: UTF8.self)
    let hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    let head = "c2sp.org/tlog-proof@v1\n"
    let heads = [
      "", "c2sp.org/tlog-proof@v2\n", head, head + "\n", head + "index 9", head + "index\n\n", head + "index \n\n",
      head + "index 09\n\n", head + "index -1\n\n",
      head + "index 18446744073709551616\n\n", head + "extra \nindex 9\n\n",
      head + "extra Zg\nindex 9\n\n", head + "extra Zh==\nindex 9\n\n", head + "extra Zg==\nextra Zg==\nindex 9\n\n",
      head + "index 9\nextra Zg==\n\n", head + "index 9\nindex 9\n\n", head + "index 9\n" + hash,
      head + "index 9\nAAAA\n\n", head + "index 9\n" + String(repeating: hash, count: 65) + "\n", head + " index 9\n\n",
      "c2sp.org/tlog-proof@v1\r\nindex 9\n\n",
    ]
    for text in heads {
      #expect(code { _ = try TlogProof(parsing: ascii(text + note)) } == .logProof, "\(text)")
    }
    #expect(code { _ = try TlogProof(parsing: ascii(head + "index 9\n\n")) } == .logNote)
    #expect(try TlogProof(parsing: ascii(head + "index 9\n\n" + note)).path.isEmpty)
    let longest = head + "index 9\n" + String(repeating: hash, count: 64) + "\n" + note
    #expect(try TlogProof(parsing: ascii(longest)).path.count == 64)
    let huge = [UInt8](repeating: 65, count: TlogProof.maximumByteCount + 1)
    #expect(code { _ = try TlogProof(parsing: huge) } == .logProof)
  }

  @Test func makesNoProofThatNobodyReads() throws {
    let note = try Self.proof(extra: nil).0.note
    let unsigned = try SignedNote(text: ascii("o\n"))
    let long = [Digest](repeating: .zero, count: 65)
    #expect(code { _ = try TlogProof(extra: [], index: 0, path: [], note: note) } == .logProof)
    #expect(code { _ = try TlogProof(extra: nil, index: 0, path: long, note: note) } == .logProof)
    #expect(code { _ = try TlogProof(extra: nil, index: 0, path: [], note: unsigned) } == .logProof)
    let extra = [UInt8](repeating: 0, count: TlogProof.maximumExtraByteCount + 1)
    #expect(code { _ = try TlogProof(extra: extra, index: 0, path: [], note: note) } == .logProof)
  }
}
