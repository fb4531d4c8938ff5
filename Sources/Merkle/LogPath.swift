public import Core

/// A path below a log's prefix: what C2SP tlog-tiles serves, and where the files of a log lie.
///
/// `checkpoint`, `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`. N stands in groups of three digits,
/// all but the last behind an `x`: 1234067 is `x001/x234/067`. Each thing has one path, so that a cache or a
/// folder holds it once.
public enum LogPath: Hashable, Sendable {
  /// The newest checkpoint.
  case checkpoint
  /// A tile of hashes.
  case tile(TileCoordinate)
  /// A bundle of entries.
  case entries(BundleCoordinate)

  /// The most bytes that a path of a 64-bit index can have.
  public static let maximumByteCount = 64

  /// Reads a path, without a leading slash.
  ///
  /// - Throws: `log.tile-path` for anything that ``text`` does not write.
  public init(parsing text: some StringProtocol) throws(PosternError) {
    guard text.utf8.count <= Self.maximumByteCount, let path = Self(components: Array(text.utf8)) else {
      throw PosternError(
        .logTilePath, "The path is none of a log's.",
        advice: "Ask for checkpoint, tile/L/N or tile/entries/N, with .p/W for a partial tile.")
    }
    self = path
  }

  /// The path, without a leading slash.
  public var text: String {
    switch self {
    case .checkpoint: "checkpoint"
    case .tile(let tile): tile.path
    case .entries(let bundle): bundle.path
    }
  }

  private init?(components text: [UInt8]) {
    if text.elementsEqual("checkpoint".utf8) {
      self = .checkpoint
      return
    }
    var parts = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
    guard parts.popFirst().map({ $0.elementsEqual("tile".utf8) }) == true, let kind = parts.popFirst(),
      let width = Self.takeWidth(&parts), let index = Self.index(parts)
    else { return nil }
    if kind.elementsEqual("entries".utf8) {
      self = .entries(BundleCoordinate(checkedIndex: index, width: width))
    } else if let level = Decimal.parse(kind), level <= UInt64(TileCoordinate.maximumLevel) {
      self = .tile(TileCoordinate(checkedLevel: Int(level), index: index, width: width))
    } else {
      return nil
    }
  }

  /// Takes `.p/<W>` off the end; a path without it names a full tile.
  private static func takeWidth(_ parts: inout ArraySlice<ArraySlice<UInt8>>) -> Int? {
    let mark = ".p".utf8
    guard parts.count >= 2, let group = parts.dropLast().last, group.suffix(mark.count).elementsEqual(mark) else {
      return TileCoordinate.fullWidth
    }
    guard let last = parts.popLast(), let width = Decimal.parse(last), (1...255).contains(width) else { return nil }
    parts[parts.endIndex - 1] = group.dropLast(mark.count)
    return Int(width)
  }

  /// The number that groups of three digits spell, refused where a shorter spelling exists.
  private static func index(_ parts: ArraySlice<ArraySlice<UInt8>>) -> UInt64? {
    guard let last = parts.last, last.count == 3 else { return nil }
    var digits: [UInt8] = []
    for part in parts.dropLast() {
      guard part.count == 4, part.first == UInt8(ascii: "x") else { return nil }
      digits += part.dropFirst()
    }
    guard parts.count == 1 || !digits.prefix(3).allSatisfy({ $0 == UInt8(ascii: "0") }) else { return nil }
    return Decimal.digits((digits + last)[...])
  }
}

extension TileCoordinate {
  /// The tile's path below the log's prefix: `tile/<L>/<N>`, for a partial tile with `.p/<W>`.
  public var path: String { "tile/\(level)/" + numberPath(index, width: width) }
}

extension BundleCoordinate {
  /// The bundle's path below the log's prefix: `tile/entries/<N>`, for a partial bundle with `.p/<W>`.
  public var path: String { "tile/entries/" + numberPath(index, width: width) }
}

private func numberPath(_ index: UInt64, width: Int) -> String {
  var path = threeDigits(index % 1_000)
  var rest = index / 1_000
  while rest > 0 {
    path = "x" + threeDigits(rest % 1_000) + "/" + path
    rest /= 1_000
  }
  return width == TileCoordinate.fullWidth ? path : path + ".p/\(width)"
}

private func threeDigits(_ group: UInt64) -> String {
  let digits = String(group)
  return String(repeating: "0", count: 3 - digits.utf8.count) + digits
}
