import Core
import GRDB

/// The only way to change the index: one transaction after the other.
///
/// Commits go first: what the sequencer asks for waits for the one transaction that is under way and for no
/// other, however many pushes bring rows. All else keeps the order of its calls. Nobody waits for ever: the
/// sequencer asks for one thing after the other, and whoever waits when it has its answer is let in.
///
/// A call runs to its end on the writer's own queue, whatever happens to the task that waits for it: the
/// transaction is a synchronous piece of code without a suspension in it, so that cancellation cannot roll
/// it back. (GRDB's asynchronous writes look at the calling task, and do roll back.) Nor does a long write
/// hold a thread that other tasks need. Every call is bounded, so that the transaction
/// under way is a short one.
///
/// Every call either did all of what it says, durably (write-ahead log, `synchronous` FULL), or threw and
/// changed nothing, with one exception: `index.unknown-outcome`. After it the writer refuses everything, and
/// the process has to end; the next start reads what was committed.
public final class IndexWriter: Sendable {
  private let turns = Turns()
  private let worker: WriterWorker

  init(pool: DatabasePool) {
    worker = WriterWorker(pool: pool)
  }

  /// Runs `body` in one transaction when it is the caller's turn; see ``Connection/transaction(_:)``.
  func transaction<Result: Sendable>(
    _ rank: Turns.Rank = .ordinary, _ body: @Sendable (Database) throws(PosternError) -> Result
  ) async throws(PosternError) -> Result {
    await turns.take(rank)
    defer { turns.pass() }
    return try await worker.transaction(body)
  }
}

/// Runs transactions on a queue of its own.
private actor WriterWorker {
  private let pool: DatabasePool
  private let queue = SerialQueue(label: "postern.index.writer")
  /// The unknown outcome that ended the writer's work.
  private var failure: PosternError?

  init(pool: DatabasePool) {
    self.pool = pool
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    queue.asUnownedSerialExecutor()
  }

  func transaction<Result: Sendable>(
    _ body: @Sendable (Database) throws(PosternError) -> Result
  ) throws(PosternError) -> Result {
    if let failure { throw failure }
    do throws(PosternError) {
      return try pool.writing { (connection) throws(PosternError) in try connection.transaction(body) }
    } catch {
      if error.code == .indexUnknownOutcome { failure = error }
      throw error
    }
  }
}
