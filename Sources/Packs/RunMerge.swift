public import Core

extension RunWriter {
  /// Appends all entries of some runs, in order, without those of packs that are gone.
  ///
  /// Memory is 256 KiB a run.
  ///
  /// - Throws: what `isKept` throws; `storage.*`.
  public mutating func append(
    merging runs: [RunFile], keeping isKept: (_ pack: UInt64) throws(PosternError) -> Bool
  ) throws(PosternError) {
    var cursors: [RunCursor] = []
    for run in runs {
      var cursor = RunCursor(run)
      if try cursor.advance() { cursors.append(cursor) }
    }
    var last: RunEntry?
    // A generation has few runs at once: their sizes grow by a factor.
    while let next = cursors.indices.min(by: { cursors[$0].entry < cursors[$1].entry }) {
      let entry = cursors[next].entry
      if entry != last, try isKept(entry.pack) { try append(entry) }
      last = entry
      if try !cursors[next].advance() { cursors.remove(at: next) }
    }
  }
}

/// Reads a run from front to back.
private struct RunCursor {
  private let run: RunFile
  private var block: [RunEntry] = []
  private var index = 0
  private var nextPage = 0

  init(_ run: RunFile) { self.run = run }

  /// The entry that the cursor stands on.
  var entry: RunEntry { block[index] }

  /// Goes to the next entry; false at the end.
  mutating func advance() throws(PosternError) -> Bool {
    index += 1
    if index < block.count { return true }
    block = try run.entries(ofPages: nextPage..<nextPage + RunFile.readPageCount)
    nextPage += RunFile.readPageCount
    index = 0
    return !block.isEmpty
  }
}
