import Core

/// One entry of a directory's archive: a folder, a file or a symbolic link, as `Schema/directory.md` writes it.
public struct PaxEntry: Hashable, Sendable {
  /// What stands under the path.
  public enum Kind: Hashable, Sendable {
    /// A folder; what is in it follows.
    case folder
    /// A file of so many bytes, which follow.
    case file(byteCount: Int)
    /// A symbolic link to these bytes, which nobody follows.
    case link(target: [UInt8])
  }

  /// The names from the directory down; none for the directory itself.
  public let names: [[UInt8]]
  /// What it is.
  public let kind: Kind
  /// The nine permission bits; ``linkPermissions`` for a link, which has none of its own.
  public let permissions: UInt16

  /// An entry from its parts.
  public init(names: [[UInt8]], kind: Kind, permissions: UInt16) {
    self.names = names
    self.kind = kind
    self.permissions = permissions
  }

  /// The permissions that every link is written with.
  public static let linkPermissions: UInt16 = 0o777
  /// The most bytes of a path and of a link's target, which is what Linux takes.
  public static let pathByteCountLimit = 4_095
  /// The most bytes of a name.
  public static let nameByteCountLimit = 255
  /// The most names of a path: who reads or writes a directory has a folder open for each.
  public static let depthLimit = 128
  /// The most bytes of a file, those of the longest state.
  public static let fileByteCountLimit = ProtocolLimits.stateByteCount

  /// The path as the archive has it: `./` before the names, and a slash behind those of a folder.
  public var path: [UInt8] {
    var path: [UInt8] = [.dot]
    for name in names { path += [.slash] + name }
    if case .folder = kind { path.append(.slash) }
    return path
  }

  /// The path below the directory as a person may see it: whoever named it cannot speak to the terminal.
  public var shownPath: String {
    let path = Array(names.joined(separator: [.slash]))
    let scalars = String(decoding: path.prefix(PaxEntry.shownByteCountLimit), as: UTF8.self).unicodeScalars
    let shown = scalars.map { $0.properties.generalCategory.isShown ? Character($0) : "\u{FFFD}" }
    return String(shown) + (path.count > PaxEntry.shownByteCountLimit ? "…" : "")
  }

  private static let shownByteCountLimit = 200

  /// How many bytes of content follow the header.
  public var contentByteCount: Int {
    if case .file(let byteCount) = kind { byteCount } else { 0 }
  }

  /// How many zeros follow the content, up to the next block.
  public var paddingByteCount: Int { -contentByteCount & (PaxEntry.blockByteCount - 1) }

  /// How many bytes a block has, of which everything is whole ones.
  static let blockByteCount = 512
}

extension Unicode.GeneralCategory {
  /// Whether a scalar is more than an order to whoever shows it: to move the cursor, or to turn the text around.
  fileprivate var isShown: Bool {
    switch self {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .surrogate: false
    default: true
    }
  }
}

extension UInt8 {
  static let dot = UInt8(ascii: ".")
  static let slash = UInt8(ascii: "/")
}
