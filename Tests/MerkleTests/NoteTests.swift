import Core
import Merkle
import Sodium
import Testing

@Suite struct NoteTests {
  /// The example of C2SP signed-note.
  private static let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
  private static let note = """
    This is an example message.

    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=

    """

  @Test func verifiesTheExampleOfTheFormat() throws {
    let key = try NoteVerifier(parsing: Self.vkey)
    #expect(key.text == Self.vkey && key.name == "example.com/foo" && key.keyID == 0x530D_903A)
    #expect(key.type == .ed25519)
    let note = try SignedNote(parsing: ascii(Self.note))
    #expect(note.text == ascii("This is an example message.\n"))
    #expect(note.bytes == ascii(Self.note))
    let verified = try note.verified(by: [key])
    #expect(verified.map(\.key) == [key] && verified.map(\.timeSeconds) == [nil])
  }

  @Test func readsTheFormatsOtherExample() throws {
    let text = """
      Ognuno sta solo sul cuor della terra
      trafitto da un raggio di sole:

      ed è subito sera.

      — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=

      """
    let note = try SignedNote(parsing: ascii(text))
    #expect(String(decoding: note.text, as: UTF8.self).hasSuffix("sole:\n\ned è subito sera.\n"))
    #expect(note.signatures.map(\.name) == ["quasimodo.example/salvatore"])
    #expect(note.bytes == ascii(text))
    let stranger = try NoteVerifier(parsing: Self.vkey)
    #expect(code { _ = try note.verified(by: [stranger]) } == .logUnsigned)
  }

  @Test func refusesEveryChangedBit() throws {
    let key = try NoteVerifier(parsing: Self.vkey)
    let bytes = ascii(Self.note)
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: PosternError.self, "bit \(bit)") {
        try SignedNote(parsing: changed).verified(by: [key])
      }
    }
    for count in 0..<bytes.count {
      #expect(throws: PosternError.self) { try SignedNote(parsing: Array(bytes[..<count])).verified(by: [key]) }
    }
  }

  @Test func signsForManyKeysAndIgnoresStrangers() throws {
    var note = try SignedNote(text: ascii("hello\n\nworld\n"))
    var keys: [NoteVerifier] = []
    for byte in UInt8(0)..<100 {
      let signer = try NoteSigner(name: "key\(byte)", key: key(byte))
      try note.add(signer.signature(over: note))
      keys.append(signer.verifier)
    }
    let read = try SignedNote(parsing: note.bytes)
    #expect(read == note && read.signatures.count == 100)
    #expect(try read.verified(by: keys).map(\.key) == keys)
    #expect(try read.verified(by: [keys[70], keys[3]]).map(\.key) == [keys[70], keys[3]])
    let stranger = try NoteVerifier(name: "key1", type: .ed25519, key: key(200).verificationKey)
    #expect(try read.verified(by: [stranger, keys[0]]).map(\.key) == [keys[0]])
    #expect(code { _ = try read.verified(by: [stranger]) } == .logUnsigned)
    #expect(code { _ = try read.verified(by: []) } == .logUnsigned)
    #expect(try read.verified(by: [keys[0], keys[0]]).count == 1)
    let more = try NoteSigner(name: "more", key: key(100))
    #expect(code { try note.add(more.signature(over: read)) } == .logNoteLimit)
    let again = try NoteSigner(name: "key99", key: key(99))
    try note.add(again.signature(over: note))
    #expect(note == read)
  }

  @Test func oneBadSignatureByAKnownKeyRejectsTheNote() throws {
    let first = try NoteSigner(name: "a", key: key(1))
    let second = try NoteSigner(name: "b", key: key(2))
    let keys = [first.verifier, second.verifier]
    var note = try SignedNote(text: ascii("text\n"))
    let other = try SignedNote(text: ascii("other\n"))
    try note.add(first.signature(over: note))
    try note.add(second.signature(over: other))
    #expect(code { _ = try note.verified(by: keys) } == .logSignature)
    #expect(try note.verified(by: [keys[0]]).count == 1)
    for length in [1, 63, 65] {
      try note.add(NoteSignature(by: keys[1], bytes: .init(repeating: 0, count: length)))
      #expect(code { _ = try note.verified(by: keys) } == .logSignature)
    }
    // A second line by the same key is checked too, although the first one is good.
    let good = try note.add(second, over: note)
    let bad = try note.add(second, over: other).bytes.suffix { $0.starts(with: ascii("— b ")) }
    #expect(code { _ = try SignedNote(parsing: good.bytes + bad).verified(by: keys) } == .logSignature)
  }

  @Test func cosigns() throws {
    let log = try NoteSigner(name: "example.com/log", key: key(1))
    let witness = try Cosigner(name: "witness.example/w1", key: key(2))
    var note = try Checkpoint(origin: "example.com/log", size: 9, root: .zero).signed(by: log)
    try note.add(witness.signature(over: note, timeSeconds: 1_679_315_147))
    #expect(note.signatures[1].bytes.count == 72)
    let keys = [witness.verifier, log.verifier]
    let read = try SignedNote(parsing: note.bytes)
    #expect(try read.verified(by: keys).map(\.timeSeconds) == [1_679_315_147, nil])
    // The signed bytes, spelled as the format spells them.
    let message = ascii("cosignature/v1\ntime 1679315147\n") + note.text
    let signature = try #require(Signature(note.signatures[1].bytes.dropFirst(8)))
    #expect(witness.verifier.key.verifies(signature, over: message))
    for byte in 0..<72 {
      var bytes = note.signatures[1].bytes
      bytes[byte] ^= 1
      var changed = note
      try changed.add(NoteSignature(by: witness.verifier, bytes: bytes))
      #expect(code { _ = try changed.verified(by: keys) } == .logSignature)
    }
    let latest = try read.bytes + read.with(witness, timeSeconds: 1_700_000_000)
    #expect(try SignedNote(parsing: latest).verified(by: keys).map(\.timeSeconds) == [1_700_000_000, nil])
    let swapped = try NoteVerifier(name: "witness.example/w1", type: .ed25519, key: witness.verifier.key)
    #expect(swapped.keyID != witness.verifier.keyID)
    #expect(code { _ = try read.verified(by: [swapped]) } == .logUnsigned)
    #expect(code { _ = try witness.signature(over: note, timeSeconds: 1 << 63) } == .logTime)
    let text = try SignedNote(text: ascii("no checkpoint\n"))
    #expect(code { _ = try witness.signature(over: text, timeSeconds: 1) } == .logCheckpoint)
  }

  @Test func refusesOtherNotes() {
    let line = "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv"
    let notes = [
      "", "\n", "\n\n", "text\n", "text\n\n", "text\n\n\(line)", "text\n\(line)\n", "text\n\n- a Uw2QOkn8\n",
      "text\n\n—  Uw2QOkn8\n", "text\n\n— a\n", "text\n\n— a \n", "text\n\n— a Uw2QOg==\n", "text\n\n— a Uw2QOkn8 \n",
      "text\n\n— a  Uw2QOkn8\n", "text\n\n— a+b Uw2QOkn8\n", "text\n\n— a\u{A0}b Uw2QOkn8\n",
      "text\n\n— a\u{2003}b Uw2QOkn8\n", "text\n\n— a Uw2QOkn8\nx\n", "text\n\n— a Uw2QOkk\n", "text\n\n— a Uw2QOkl=\n",
      "text\n\n— a Uw2QO-n_\n", "text\n\n— a Uw2Q=kn8\n", "text\n\n— a U===\n", "text\n\n— a ====\n",
      "te\u{0}xt\n\n\(line)\n", "te\txt\n\n\(line)\n", "text\r\n\n\(line)\n", "text\n\n\(line)\r\n",
      "text\n\n\(line)\n\n", "text\n\n— \(String(repeating: "n", count: 256)) Uw2QOkn8\n",
    ]
    for note in notes { #expect(code { _ = try SignedNote(parsing: ascii(note)) } == .logNote, "\(note)") }
    #expect(code { _ = try SignedNote(parsing: [0xFF, 10, 10] + ascii(line) + [10]) } == .logNote)
    let many = "text\n\n" + String(repeating: line + "\n", count: 101)
    #expect(code { _ = try SignedNote(parsing: ascii(many)) } == .logNoteLimit)
    let long = String(repeating: "x", count: SignedNote.maximumByteCount) + "\n\n\(line)\n"
    #expect(code { _ = try SignedNote(parsing: ascii(long)) } == .logNoteLimit)
    for text in ["", "no newline", "bell\u{7}\n"] {
      #expect(code { _ = try SignedNote(text: ascii(text)) } == .logNote)
    }
  }

  @Test func refusesOtherVerifierKeys() throws {
    let material = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    let texts = [
      "", "+", "++", "example.com/foo", "example.com/foo+530d903a", "example.com/foo+530d903a+",
      "example.com/foo+530d903b+\(material)", "example.com/fop+530d903a+\(material)",
      "example.com/foo+530D903A+\(material)", "example.com/foo+530d903+\(material)",
      "example.com/foo+0530d903a+\(material)", "example.com/foo+530d903a+\(material)=",
      "example.com/foo+530d903a+\(material)\n", "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv",
      "example.com/foo+530d903a+\(material)AAAA", String(repeating: "n", count: 500) + "+530d903a+\(material)",
    ]
    for text in texts { #expect(code { _ = try NoteVerifier(parsing: text) } == .logKey, "\(text)") }
    #expect(code { _ = try NoteVerifier(parsing: "+530d903a+\(material)") } == .logKeyName)
    #expect(code { _ = try NoteVerifier(parsing: "a b+530d903a+\(material)") } == .logKeyName)
    let mldsa = "Bu" + material.dropFirst(2)
    #expect(code { _ = try NoteVerifier(parsing: "example.com/foo+530d903a+\(mldsa)") } == .logKeyType)
    for name in ["", "a b", "a+b", "a\n", "a\u{2028}b", "\u{3000}", "a\u{7}", String(repeating: "n", count: 256)] {
      #expect(code { _ = try NoteSigner(name: name, key: key(1)) } == .logKeyName, "\(name)")
      #expect(code { _ = try Cosigner(name: name, key: key(1)) } == .logKeyName, "\(name)")
    }
    let named = try NoteVerifier(name: "é.example/日本", type: .cosignature, key: key(3).verificationKey)
    #expect(try NoteVerifier(parsing: named.text) == named)
  }
}

extension SignedNote {
  /// The note with one more signature, whatever it is over.
  fileprivate func add(_ signer: borrowing NoteSigner, over other: SignedNote) throws -> SignedNote {
    var note = self
    try note.add(signer.signature(over: other))
    return note
  }

  /// A line that the note does not have yet, for a note with two cosignatures by one key.
  fileprivate func with(_ cosigner: borrowing Cosigner, timeSeconds: UInt64) throws -> [UInt8] {
    var note = try SignedNote(text: text)
    try note.add(cosigner.signature(over: self, timeSeconds: timeSeconds))
    return Array(note.bytes.dropFirst(text.count + 1))
  }
}

extension [UInt8] {
  /// The lines that satisfy a condition, with their newlines.
  fileprivate func suffix(_ matches: (ArraySlice<UInt8>) -> Bool) -> [UInt8] {
    split(separator: 10).filter(matches).flatMap { $0 + [10] }
  }
}
