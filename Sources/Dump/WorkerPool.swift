import Synchronization

/// Sealers or openers for as many threads as ask at once, made when needed and kept for the next.
///
/// A value that cannot be copied goes into no array and into no task's closure, so each lives in a slot with
/// a lock of its own, which nobody contends for: the pool hands a slot to one caller at a time.
public final class WorkerPool<Worker: ~Copyable & Sendable>: Sendable {
  private final class Slot: Sendable {
    let worker: Mutex<Worker>

    init(_ worker: consuming sending Worker) {
      self.worker = Mutex(worker)
    }
  }

  private let idle = Mutex<[Slot]>([])
  private let make: @Sendable () -> sending Worker

  /// An empty pool.
  ///
  /// - Parameter make: makes a worker when all others are in use.
  public init(make: @escaping @Sendable () -> sending Worker) {
    self.make = make
  }

  /// Calls `body` with a worker that nobody else has meanwhile.
  public func withWorker<Result: Sendable, Failure: Error>(
    _ body: (inout Worker) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let slot = idle.withLock { $0.popLast() } ?? Slot(make())
    defer { idle.withLock { $0.append(slot) } }
    return try slot.worker.withLock { worker throws(Failure) in try body(&worker) }
  }
}

extension WorkerPool where Worker == ChunkSealer {
  /// A pool of sealers of one generation.
  ///
  /// - Parameters:
  ///   - secret: the generation's secret; the pool keeps it as long as it lives.
  ///   - chunker: how the application's states are cut.
  public convenience init(secret: consuming GenerationSecret, chunker: ChunkerParameters) {
    let holder = SecretHolder(secret)
    self.init { ChunkSealer(secret: holder.secret, chunker: chunker) }
  }
}

extension WorkerPool where Worker == Fingerprinter {
  /// A pool of fingerprinters.
  ///
  /// - Parameter key: the uploader's key; the pool keeps it as long as it lives.
  public convenience init(key: consuming FingerprintKey) {
    let holder = SecretHolder(key)
    self.init { Fingerprinter(key: holder.secret) }
  }
}

extension WorkerPool where Worker == ChunkOpener {
  /// A pool of openers.
  ///
  /// - Parameter chunker: how the dump's state was cut, as its capsule says.
  public convenience init(chunker: ChunkerParameters) {
    self.init { ChunkOpener(chunker: chunker) }
  }
}

/// Shares a secret with a closure, which cannot capture a value that has one owner.
private final class SecretHolder<Secret: ~Copyable & Sendable>: Sendable {
  let secret: Secret

  init(_ secret: consuming Secret) {
    self.secret = secret
  }
}
