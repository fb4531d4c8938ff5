public import Core

extension PosternError.Code {
  /// Chunker parameters of a kind or size that this version does not know.
  public static let dumpChunker: Self = "dump.chunker"
  /// An object's bytes do not hash to the id that names it.
  public static let dumpWrongID: Self = "dump.wrong-id"
  /// An object has another length than its reference says, or one that no object has.
  public static let dumpObjectLength: Self = "dump.object-length"
  /// An object does not open under the key that its parent holds.
  public static let dumpSealed: Self = "dump.does-not-open"
  /// A chunk's header, coding, stored length or padding is not of the format.
  public static let dumpChunkFrame: Self = "dump.chunk-frame"
  /// A chunk does not hold as many bytes of state as its node says.
  public static let dumpChunkLength: Self = "dump.chunk-length"
  /// A node's bytes are not of the format.
  public static let dumpNodeMalformed: Self = "dump.node-malformed"
  /// A node stands at another level than its place in the tree, or above the highest.
  public static let dumpNodeLevel: Self = "dump.node-level"
  /// A node's public list of children does not rise strictly.
  public static let dumpNodeOrder: Self = "dump.node-order"
  /// A child's length, sealed or plain, is outside of what a child of its level can have.
  public static let dumpChildLength: Self = "dump.child-length"
  /// A node's children do not add up to the length that its parent states.
  public static let dumpPlainLength: Self = "dump.plain-length"
  /// A node was supplied that nobody had asked for.
  public static let dumpUnasked: Self = "dump.unasked-node"
  /// A state is longer than a dump can hold.
  public static let dumpTooLarge: Self = "dump.too-large"
  /// A generation secret has another length than 32 bytes.
  public static let dumpSecretLength: Self = "dump.secret-length"

  /// A capsule has another length than every capsule.
  public static let capsuleLength: Self = "capsule.length"
  /// A capsule does not open under this key for this root.
  public static let capsuleSealed: Self = "capsule.does-not-open"
  /// A capsule opens, but its content is not of the format.
  public static let capsuleMalformed: Self = "capsule.malformed"
  /// A capsule holds a kind of content that this version cannot write back.
  public static let capsuleContentKind: Self = "capsule.content-kind"
}

extension PosternError {
  private static let fetchAgain = "Fetch it from another archive, or read a copy with --from FOLDER."
  private static let wrongUploader = "The uploader's software is at fault: recover another epoch, and report it."

  static let unknownChunker = PosternError(
    .dumpChunker, "The chunker is none that this version knows.",
    advice: "Use content of 8, 16 or 32 KiB on average, fixed chunks of 4, 8, 16, 32 or 64 KiB, or a newer version.")
  static func wrongID(_ id: Digest) -> PosternError {
    PosternError(
      .dumpWrongID, "The bytes that came for the object \(id) are not those that its id names.", advice: fetchAgain)
  }
  static func objectLength(_ id: Digest) -> PosternError {
    PosternError(
      .dumpObjectLength, "What came for the object \(id) has not the length that its reference states.",
      advice: fetchAgain)
  }
  static let objectSealed = PosternError(
    .dumpSealed, "The object does not open under the key that its parent holds.", advice: wrongUploader)
  static let chunkFrame = PosternError(
    .dumpChunkFrame, "The chunk's content is not of the format.", advice: wrongUploader)
  static let chunkLength = PosternError(
    .dumpChunkLength, "The chunk does not hold as many bytes as its node states.", advice: wrongUploader)
  static let malformedNode = PosternError(
    .dumpNodeMalformed, "The node's bytes are not of the format.", advice: wrongUploader)
  static let nodeLevel = PosternError(
    .dumpNodeLevel, "The node's level is not the one of its place in the tree.", advice: wrongUploader)
  static func nodeOrder(_ index: Int) -> PosternError {
    PosternError(
      .dumpNodeOrder, "The node lists a child out of order or twice.", advice: wrongUploader, index: index)
  }
  static func childLength(_ index: Int? = nil) -> PosternError {
    PosternError(
      .dumpChildLength, "A child's length is none that a child of its level can have.", advice: wrongUploader,
      index: index)
  }
  static let plainLength = PosternError(
    .dumpPlainLength, "The node's children do not add up to the length that is stated for it.",
    advice: wrongUploader)
  static let unaskedNode = PosternError(
    .dumpUnasked, "A node came that was not asked for.", advice: "Supply each requested node once, under its id.")
  static let tooLarge = PosternError(
    .dumpTooLarge, "The state is longer than a dump can hold, which is 1 PiB.",
    advice: "Split the state over several applications.")
  static let secretLength = PosternError(
    .dumpSecretLength, "A generation secret has 32 bytes.", advice: "Import the file that the uploader exported.")
  static let capsuleLength = PosternError(
    .capsuleLength, "The capsule has not the length of a capsule.", advice: fetchAgain)
  static let capsuleSealed = PosternError(
    .capsuleSealed, "The capsule does not open under this key.",
    advice: "Check the epoch and that the key is of its envelope.")
  static let malformedCapsule = PosternError(
    .capsuleMalformed, "The capsule opens, but its content is not of the format.", advice: wrongUploader)
  static let unknownContent = PosternError(
    .capsuleContentKind, "The dump holds a kind of content that this version does not know.",
    advice: "Recover it with a newer version.")
}
