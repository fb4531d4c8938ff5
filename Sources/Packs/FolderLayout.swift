public import Core

/// Where things lie under a root: the one layout of data folder, export and pull.
public struct FolderLayout: Hashable, Sendable {
  /// What lies in the root: whoever adds a part says here who has it.
  enum Part: String, CaseIterable {
    case lock
    case index = "index.sqlite"
    case keys
    case incoming
    case runs
    case log
    case packs

    /// Whether an archive has it and no copy.
    var isArchivesOwn: Bool {
      switch self {
      case .index, .keys: true
      case .lock, .incoming, .runs, .log, .packs: false
      }
    }

    /// The permissions that it is made with; nil for a file.
    var folderPermissions: UInt32? {
      switch self {
      case .lock, .index: nil
      case .keys, .incoming: 0o700
      case .runs, .log, .packs: 0o755
      }
    }

    /// Whether a folder is made when something is to lie in it, and not with the root.
    private var isMadeLater: Bool { self == .runs }

    /// The folders that an archive or a copy writes into.
    static let folders = allCases.filter { $0.folderPermissions != nil }
    /// The folders that an archive is made with.
    static let archiveFolders = folders.filter { !$0.isMadeLater }
    /// The folders that a copy is made with.
    static let copyFolders = archiveFolders.filter { !$0.isArchivesOwn }
  }

  /// The root's path.
  public let root: String

  /// The layout under a root.
  public init(root: String) {
    self.root = root
  }

  /// Where a part lies.
  func path(_ part: Part) -> String { "\(root)/\(part.rawValue)" }

  /// The file whose lock says that a process uses the data folder.
  public var lock: String { path(.lock) }
  /// The index; SQLite keeps its own files beside it.
  public var index: String { path(.index) }
  /// The folder of keys, which no export carries.
  public var keys: String { path(.keys) }
  /// The log's signing key.
  public var logKey: String { "\(keys)/\(FolderLayout.logKeyName)" }
  static let logKeyName = "log.key"
  /// The index and what SQLite keeps beside it.
  static let indexNames = ["", "-wal", "-shm", "-journal"].map { Part.index.rawValue + $0 }
  /// What the root of a file system has of its own.
  static let foundName = "lost+found"
  /// Unfinished packs, and temporary files on the same file system.
  public var incoming: String { path(.incoming) }
  /// Sorted runs of the index, which are built from the packs' footers.
  public var runs: String { path(.runs) }
  /// The published log.
  public var log: String { path(.log) }
  /// The published packs.
  public var packs: String { path(.packs) }

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
