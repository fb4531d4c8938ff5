import Glibc
import Sodium
import Synchronization

/// A piece of memory that a push or a recovery uses again and again: for state, for sealed objects, for a cache's
/// block.
///
/// `@unchecked Sendable`: a ``BufferPool`` hands a buffer to one caller, who passes it on with the value that owns it
/// and touches it no more, until it comes back to the pool. Where several tasks use one at once, each writes the places
/// of its own chunks, which do not overlap, and all have ended before anybody reads.
package final class PieceBuffer: @unchecked Sendable {
  /// How long a huge page is.
  static let hugePageByteCount = 2 << 20

  let memory: UnsafeMutableRawBufferPointer
  /// The pages that were taken, in which the memory lies.
  private let pages: UnsafeMutableRawBufferPointer

  /// A buffer.
  ///
  /// - Parameter takesHugePages: whether it asks for pages of 2 MiB, as far as whole ones fit: for what is filled to the
  ///   end, since the first byte of each takes all of it. They spare the system 511 of 512 faults, which cost a
  ///   recovery some hundredths of its time. The system may give none.
  init(byteCount: Int, takesHugePages: Bool = false) {
    let slack = takesHugePages ? PieceBuffer.hugePageByteCount : 0
    // Pages of its own: among the allocator's blocks of other sizes they would leave holes that nobody else fits in.
    let pages = mmap(nil, byteCount + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let pages, pages != MAP_FAILED else {
      // As where any other allocation fails, there is nothing to go on with.
      let reason = String(cString: strerror(errno))
      fatalError("There is no memory for a buffer of \(byteCount) bytes of a state: \(reason).")
    }
    self.pages = UnsafeMutableRawBufferPointer(start: pages, count: byteCount + slack)
    let start = takesHugePages ? pages.alignedUp(toMultipleOf: PieceBuffer.hugePageByteCount) : pages
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    guard takesHugePages else { return }
    _ = madvise(start, byteCount / PieceBuffer.hugePageByteCount * PieceBuffer.hugePageByteCount, MADV_HUGEPAGE)
  }

  deinit {
    // It may hold state, which nobody is to find in memory afterwards.
    wipe(memory)
    munmap(pages.baseAddress, pages.count)
  }
}

/// Buffers of one size that wait for their next use.
///
/// It makes one when none waits; how many there are at once is up to whoever takes them.
final class BufferPool: Sendable {
  private let byteCount: Int
  private let takesHugePages: Bool
  private let idle = Mutex<[PieceBuffer]>([])

  init(byteCount: Int, takesHugePages: Bool = false) {
    self.byteCount = byteCount
    self.takesHugePages = takesHugePages
  }

  func take() -> PieceBuffer {
    idle.withLock { $0.popLast() } ?? PieceBuffer(byteCount: byteCount, takesHugePages: takesHugePages)
  }

  func give(_ buffer: PieceBuffer) {
    idle.withLock { $0.append(buffer) }
  }
}
