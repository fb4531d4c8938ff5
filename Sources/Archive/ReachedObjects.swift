import Core

/// Where an object of a pack lies: no two objects have the same place.
package struct ObjectPlace: Hashable, Sendable {
  /// The pack's number.
  package let pack: UInt64
  /// The object's first byte in the pack's file.
  package let offset: UInt64

  /// A place in a pack.
  package init(pack: UInt64, offset: UInt64) {
    self.pack = pack
    self.offset = offset
  }
}

/// Which objects a walk of trees has reached, and at which level each stands: of a push the new ones, of a mark all.
///
/// Places and no ids: an object costs about three bytes, and what a pack has at one level never more
/// than a 128th of its file.
package struct ReachedObjects: Sendable {
  /// Of each pack what is at each level; chunks and bodies are at 0.
  private var packs: [UInt64: [OffsetSet]] = [:]

  /// Nothing is reached yet.
  package init() {}

  /// Reaches an object.
  ///
  /// - Returns: whether it is reached for the first time; nil when it was reached at another level before.
  package mutating func insert(_ place: ObjectPlace, level: Int) -> Bool? {
    ReachedObjects.insert(place.offset, level, into: &packs[place.pack, default: []])
  }

  private static func insert(_ offset: UInt64, _ level: Int, into levels: inout [OffsetSet]) -> Bool? {
    for other in levels.indices where other != level && levels[other].contains(offset) { return nil }
    while levels.count <= level { levels.append(OffsetSet()) }
    return levels[level].insert(offset)
  }

  /// Whether an object is reached.
  package func contains(_ place: ObjectPlace) -> Bool {
    packs[place.pack]?.contains { $0.contains(place.offset) } ?? false
  }

  /// How many of a pack's objects are reached.
  package func count(inPack number: UInt64) -> Int {
    packs[number]?.reduce(0) { $0 + $1.count } ?? 0
  }
}

/// Offsets of objects in one pack's file.
///
/// No object has fewer than 16 bytes, an authentication tag's, so that no two begin in the same 16. A mebibyte of
/// file has 65,536 such slots: those taken are listed while they are few, and a bit each when they are many.
private struct OffsetSet: Sendable {
  private(set) var count = 0
  private var pages: [UInt32: Page] = [:]

  private enum Page: Sendable {
    case few([UInt16])
    case many([UInt64])
  }

  private static let slotByteCount: UInt64 = 16
  /// Beyond, the list is larger than the bits.
  private static let listLimit = 4_096

  private static func slot(_ offset: UInt64) -> (page: UInt32, slot: UInt16) {
    let slot = offset / slotByteCount
    return (UInt32(truncatingIfNeeded: slot >> 16), UInt16(truncatingIfNeeded: slot))
  }

  func contains(_ offset: UInt64) -> Bool {
    let (page, slot) = OffsetSet.slot(offset)
    switch pages[page] {
    case nil: return false
    case .few(let slots):
      let position = slots.position { $0 < slot }
      return position < slots.count && slots[position] == slot
    case .many(let words): return words[Int(slot) / 64] >> UInt64(slot % 64) & 1 == 1
    }
  }

  mutating func insert(_ offset: UInt64) -> Bool {
    let (page, slot) = OffsetSet.slot(offset)
    let isFresh = OffsetSet.insert(slot, into: &pages[page, default: .few([])])
    if isFresh { count += 1 }
    return isFresh
  }

  private static func insert(_ slot: UInt16, into page: inout Page) -> Bool {
    switch page {
    case .few(var slots):
      // Let go in the page, so that the list is changed where it is.
      page = .few([])
      let position = slots.position { $0 < slot }
      let isFresh = position == slots.count || slots[position] != slot
      if isFresh { slots.insert(slot, at: position) }
      page = slots.count <= listLimit ? .few(slots) : .many(bits(slots))
      return isFresh
    case .many(var words):
      page = .few([])
      let bit = UInt64(1) << UInt64(slot % 64)
      let isFresh = words[Int(slot) / 64] & bit == 0
      words[Int(slot) / 64] |= bit
      page = .many(words)
      return isFresh
    }
  }

  private static func bits(_ slots: [UInt16]) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (Int(UInt16.max) + 1) / 64)
    for slot in slots { words[Int(slot) / 64] |= UInt64(1) << UInt64(slot % 64) }
    return words
  }
}
