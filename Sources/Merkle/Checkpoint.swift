public import Core

/// What a log commits to: how many leaves it has and their root (C2SP tlog-checkpoint).
///
/// The text of a note: origin, size in decimal and root in base 64, a line each. Extension lines of other
/// logs are passed over; this code writes none, since no monitor can audit them.
public struct Checkpoint: Hashable, Sendable {
  /// The most bytes that an origin can have, as in the formats that sign it.
  public static let maximumOriginByteCount = 255

  /// The log's name, which is compared as bytes: see ``isOf(origin:)``.
  public let origin: String
  /// How many leaves the tree has.
  public let size: UInt64
  /// The root over all leaves.
  public let root: Digest

  /// A checkpoint to be signed.
  ///
  /// - Throws: `log.origin` when the origin is not also a name that a key can have: the format asks only that it
  ///   be a line, but recommends that the log's key bear it.
  public init(origin: String, size: UInt64, root: Digest) throws(PosternError) {
    guard isKeyName(origin) else {
      throw PosternError(
        .logOrigin, "The text is no origin for a log.",
        advice: "Choose 1 to 255 bytes without spaces and plus signs, such as example.com/log.")
    }
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// Reads a note's text.
  ///
  /// - Throws: `log.checkpoint` when a line is missing, empty or not spelled the one way that it can be.
  public init(parsing text: [UInt8]) throws(PosternError) {
    var lines = LineReader(text[...])
    guard let origin = lines.next().flatMap(Self.origin), let size = lines.next().flatMap(Decimal.parse),
      let root = lines.next().flatMap(Base64.decode).flatMap({ Digest($0) })
    else { throw malformed() }
    while let line = lines.next() {
      guard !line.isEmpty else { throw malformed() }
    }
    guard lines.rest.isEmpty else { throw malformed() }
    self.origin = origin
    self.size = size
    self.root = root
  }

  private static func origin(_ line: ArraySlice<UInt8>) -> String? {
    guard (1...maximumOriginByteCount).contains(line.count) else { return nil }
    return String(validating: line, as: UTF8.self)
  }

  /// The three lines, each with its newline.
  public var text: [UInt8] {
    Array("\(origin)\n\(size)\n".utf8) + Base64.encode(root.bytes) + [newline]
  }

  /// Whether the origin is this text, byte for byte.
  public func isOf(origin: String) -> Bool { sameBytes(origin, self.origin) }

  /// The checkpoint as a note with the log's signature.
  ///
  /// - Throws: `log.note` when an origin that was read is no text for a note.
  public func signed(by signer: borrowing NoteSigner) throws(PosternError) -> SignedNote {
    var note = try SignedNote(text: text)
    try note.add(signer.signature(over: note))
    return note
  }
}

extension Checkpoint {
  /// Whether two checkpoints say the same, origins compared as bytes.
  public static func == (left: Checkpoint, right: Checkpoint) -> Bool {
    left.size == right.size && left.root == right.root && left.isOf(origin: right.origin)
  }

  /// Hashes size and root; checkpoints that are equal have both in common.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(size)
    hasher.combine(root)
  }
}

private func malformed() -> PosternError {
  PosternError(
    .logCheckpoint, "The text is no checkpoint.",
    advice: "A checkpoint is origin, size and root, a line each (C2SP tlog-checkpoint).")
}
