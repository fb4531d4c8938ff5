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
  let memory: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    // Pages of its own: among the allocator's blocks of other sizes they would leave holes that nobody else fits in.
    let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let pages, pages != MAP_FAILED else {
      // As where any other allocation fails, there is nothing to go on with.
      let reason = String(cString: strerror(errno))
      fatalError("There is no memory for a buffer of \(byteCount) bytes of a state: \(reason).")
    }
    memory = UnsafeMutableRawBufferPointer(start: pages, count: byteCount)
  }

  deinit {
    // It may hold state, which nobody is to find in memory afterwards.
    wipe(memory)
    munmap(memory.baseAddress, memory.count)
  }
}

/// Buffers of one size that wait for their next use.
///
/// It makes one when none waits; how many there are at once is up to whoever takes them.
final class BufferPool: Sendable {
  private let byteCount: Int
  private let idle = Mutex<[PieceBuffer]>([])

  init(byteCount: Int) {
    self.byteCount = byteCount
  }

  func take() -> PieceBuffer {
    idle.withLock { $0.popLast() } ?? PieceBuffer(byteCount: byteCount)
  }

  func give(_ buffer: PieceBuffer) {
    idle.withLock { $0.append(buffer) }
  }
}
