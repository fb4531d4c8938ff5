import Bulk
import Core

/// What bounds a dump and its objects; `Schema/dump.md` gives the reasons.
public enum DumpLimits {
  /// The most bytes of state that one dump holds: 1 PiB.
  public static let stateByteCount = ProtocolLimits.stateByteCount
  /// The most bytes of state in one chunk, whatever the chunker.
  public static let chunkByteCount = 1 << 16
  /// The fewest bytes that a sealed chunk has: one padding step of the chunkers with the smallest.
  public static let sealedChunkByteCountMinimum = ChunkerParameters.fixed(.kib4).sealedByteCount(storing: 1)
  /// The most bytes that a sealed chunk has.
  public static let sealedChunkByteCount = ChunkFrame.sealedByteCount(padded: chunkByteCount)
  /// The most children that a node has.
  public static let nodeChildCount = 64
  /// The highest level that a node stands at; the lowest, above the chunks, is 1.
  public static let nodeLevel = 24
  /// The fewest bytes that a node has: an empty state's.
  public static let nodeByteCountMinimum = NodeLayout.byteCount(publicCount: 0, childCount: 0)
  /// The most bytes that a node has.
  public static let nodeByteCount = NodeLayout.byteCount(publicCount: nodeChildCount, childCount: nodeChildCount)

  /// How many bytes the sealed children of a node at this level may have: chunks below level 1, nodes above.
  public static func childByteCounts(ofNodeAt level: Int) -> ClosedRange<Int> {
    level == 1
      ? sealedChunkByteCountMinimum...sealedChunkByteCount
      : NodeLayout.byteCount(publicCount: 1, childCount: 1)...nodeByteCount
  }
}
