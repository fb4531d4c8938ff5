public import Core
import Envelope
import Merkle
import Sodium
public import Trust

/// What an uploader keeps of one application between pushes; one process at a time has it.
///
/// `Schema/state.md` says which files these are, and what is in them.
public struct StateFolder: ~Copyable, Sendable {
  /// The folder.
  public let path: String
  /// The application.
  public let app: Digest
  /// The log's checkpoints that this machine has seen.
  public let memory: CheckpointMemory
  private let uploader: VerificationKey
  private let lock: FolderLock
  let seal: StateSeal

  /// Opens the folder, which is made where it is missing, for an uploader.
  ///
  /// - Parameters:
  ///   - path: see ``StateLocation``.
  ///   - app: the application.
  ///   - key: the uploader's key, under which the secrets are sealed.
  /// - Throws: `state.in-use`, `storage.*`, `key.role`.
  public static func open(
    at path: String, app: Digest, key: borrowing KeyFile
  ) throws(PosternError) -> StateFolder {
    try key.require(.uploader)
    try StateFiles.makeFolder(path)
    try StateFiles.makeFolder("\(path)/receipts")
    guard let lock = try FolderLock.take("\(path)/lock") else {
      throw PosternError(
        .stateInUse, "Another process is pushing with the state folder “\(path)”.",
        advice: "Wait until it is done.")
    }
    let seal = StateSeal(key: key.master.stateSecret(), app: app)
    let uploader = try key.signingKey().verificationKey
    return StateFolder(path: path, app: app, uploader: uploader, lock: lock, seal: seal)
  }

  private init(
    path: String, app: Digest, uploader: VerificationKey, lock: consuming FolderLock, seal: consuming StateSeal
  ) {
    self.path = path
    self.app = app
    self.uploader = uploader
    self.lock = lock
    self.seal = seal
    memory = CheckpointMemory(folder: path)
  }

  private var generationPath: String { "\(path)/generation" }
  private var pendingPath: String { "\(path)/pending" }

  /// The generation that this uploader can push in; nil where it has none.
  ///
  /// - Throws: `state.does-not-open`, `state.malformed`, `storage.*`.
  public borrowing func generation() throws(PosternError) -> HeldGeneration? {
    let limit = HeldGeneration.fileByteCountLimit
    guard let bytes = try StateFiles.read(generationPath, byteCountLimit: limit) else { return nil }
    return try HeldGeneration.open(bytes, with: seal, path: generationPath)
  }

  /// Keeps a generation's secrets, in place of those before; they are on the disk when this returns.
  ///
  /// - Throws: `storage.*`.
  public borrowing func keep(_ generation: borrowing HeldGeneration) throws(PosternError) {
    try StateFiles.replace(generationPath, with: generation.sealed(by: seal))
  }

  /// The epoch that was sent, or about to be, when the last push ended without a receipt; nil where there is none.
  ///
  /// - Throws: `state.does-not-open`, `state.malformed`, `storage.*`.
  public borrowing func pending() throws(PosternError) -> PendingEpoch? {
    let limit = PendingEpoch.fileByteCountLimit
    guard let bytes = try StateFiles.read(pendingPath, byteCountLimit: limit) else { return nil }
    return try PendingEpoch(parsing: bytes, app: app, uploader: uploader, path: pendingPath)
  }

  /// Keeps an epoch that is about to be sent; it is on the disk when this returns.
  ///
  /// - Throws: `storage.*`.
  public borrowing func keep(_ pending: PendingEpoch) throws(PosternError) {
    try StateFiles.replace(pendingPath, with: pending.bytes)
  }

  /// Forgets the pending epoch: its receipt is here, or it was refused.
  ///
  /// - Throws: `state.unwritable`.
  public borrowing func forgetPending() throws(PosternError) {
    try StateFiles.remove(pendingPath)
  }

  /// Keeps an epoch's receipt.
  ///
  /// - Returns: where it lies.
  /// - Throws: `storage.*`.
  public borrowing func keep(_ receipt: Receipt, ofEpoch number: UInt64) throws(PosternError) -> String {
    let path = receiptPath(ofEpoch: number)
    try StateFiles.replace(path, with: receipt.bytes)
    return path
  }

  /// An epoch's receipt, unverified; nil where none was kept, or what is there is none.
  public borrowing func receipt(ofEpoch number: UInt64) -> Receipt? {
    let limit = TlogProof.maximumByteCount
    guard let bytes = try? StateFiles.read(receiptPath(ofEpoch: number), byteCountLimit: limit) else { return nil }
    return try? Receipt(parsing: bytes)
  }

  /// Where an epoch's receipt lies.
  borrowing func receiptPath(ofEpoch number: UInt64) -> String { "\(path)/receipts/\(number).tlog-proof" }
}
