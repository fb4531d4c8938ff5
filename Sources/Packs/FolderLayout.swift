public import Core

/// Where things lie under a root: the one layout of data folder, export and pull.
public struct FolderLayout: Hashable, Sendable {
  /// The root's path.
  public let root: String

  /// The layout under a root.
  public init(root: String) {
    self.root = root
  }

  /// The file whose lock says that a process uses the data folder.
  public var lock: String { "\(root)/lock" }
  /// The index; SQLite keeps its own files beside it.
  public var index: String { "\(root)/index.sqlite" }
  /// The folder of keys, which no export carries.
  public var keys: String { "\(root)/keys" }
  /// The log's signing key.
  public var logKey: String { "\(keys)/\(FolderLayout.logKeyName)" }
  static let logKeyName = "log.key"
  /// What the root of a file system has of its own.
  static let foundName = "lost+found"
  /// Unfinished packs, and temporary files on the same file system.
  public var incoming: String { "\(root)/incoming" }
  /// Sorted runs of the index, which are built from the packs' footers.
  public var runs: String { "\(root)/runs" }
  /// The published log.
  public var log: String { "\(root)/log" }
  /// The folders that an archive or a copy writes into: each has to be there itself, and not through a link.
  var folders: [String] { [keys, incoming, runs, log, packs] }
  /// The published packs.
  public var packs: String { "\(root)/packs" }

  /// A file of the published log.
  ///
  /// - Parameter path: its C2SP tlog-tiles path, such as `tile/0/000`.
  public func log(_ path: String) -> String { "\(log)/\(path)" }

  /// The file of a pack that is not placed yet.
  public func incomingPack(_ number: UInt64) -> String { "\(incoming)/\(number).pack" }

  /// The file of a run.
  public func run(_ number: UInt64) -> String { "\(runs)/\(number).run" }

  /// What the pack of that number holds so far, beside it while a copy is written.
  func incomingList(_ number: UInt64) -> String { "\(incoming)/\(number).objects" }

  /// The folder of an application's packs.
  public func packs(app: Digest) -> String { "\(packs)/\(app.hex)" }

  /// The folder of a generation's packs.
  public func packs(app: Digest, generation: UInt64) -> String { "\(packs(app: app))/\(generation)" }

  /// The file of a published pack.
  public func pack(app: Digest, generation: UInt64, name: Digest) -> String {
    "\(packs(app: app, generation: generation))/\(name.hex).pack"
  }
}
