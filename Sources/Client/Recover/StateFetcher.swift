import Core
import Dump
import Packs
import Trust

/// Fetches a dump, opens it on all cores and writes the state, with memory that does not grow with the state.
///
/// Some tasks fetch nodes, some fetch and open spans of chunks; this value alone decides what comes next. A span
/// is opened in the task that fetches it, so that fetching and opening overlap.
struct StateFetcher<Origin: Source>: ~Copyable {
  /// Spans under way, out of turn ones included: each holds its state, and what comes for it.
  private static var spanLimit: Int { 8 }
  /// How far spans may be ahead of the first that is under way: what is kept in order has to wait for it.
  private static var leadLimit: Int { 256 }
  /// Nodes of one question.
  private static var nodeLimit: Int { 256 }

  /// What a task came back with.
  private enum Event: Sendable {
    case nodes([SourceObject])
    case span(StateSpan, PieceBuffer, sealedByteCount: Int)
  }

  private let opening: (app: Digest, generation: UInt64)
  private let source: Origin
  private let openers: WorkerPool<ChunkOpener>
  private let chunksPerSpan: Int
  private let buffers = BufferPool(byteCount: StateSpan.bufferByteCount)
  private let successor: Successor?
  private let writers = QueuePool(label: "postern.state-file", width: 2)
  private let report: @Sendable (RecoverProgress) -> Void
  private let start = ContinuousClock.now

  private var walk: TreeWalk
  private let output: StateOutput
  private var progress = RecoverProgress()
  private var isFetchingNodes = false
  private var spanCount = 0
  /// The spans that are fetched, opened or written now.
  private var unfinished: Set<Int> = []
  private var nextSpan = 0
  private var nextWritten = 0
  /// Spans whose turn has not come, where the output takes them in order.
  private var early: [Int: (StateSpan, PieceBuffer)] = [:]

  init(
    root: ObjectReference, chunker: ChunkerParameters, app: Digest, generation: UInt64, from source: Origin,
    to output: StateOutput, for successor: Successor?,
    report: @escaping @Sendable (RecoverProgress) -> Void
  ) {
    opening = (app, generation)
    self.source = source
    self.successor = successor
    self.report = report
    openers = WorkerPool(chunker: chunker)
    chunksPerSpan = StateSpan.byteCount / chunker.chunkByteCountMinimum
    walk = TreeWalk(root: root, chunker: chunker)
    self.output = output
    progress.totalByteCount = root.plainByteCount
  }

  deinit { output.discard() }

  /// Fetches, opens and writes everything, and gives the output its name.
  ///
  /// - Throws: `source.*`, `dump.*`, `recover.*`, `storage.*`, `wire.*`; nothing is left of the output then.
  consuming func run() async throws -> RecoverProgress {
    var fetcher = self
    try await withThrowingTaskGroup(of: Event.self) { tasks in
      while true {
        fetcher.startNodes(&tasks)
        fetcher.startSpans(&tasks)
        guard let event = try await tasks.next() else { break }
        try await fetcher.handle(event)
      }
    }
    guard fetcher.walk.isFinished else { throw PosternError.unfinishedWalk }
    try fetcher.output.commit()
    return fetcher.progress
  }

  /// Asks for the nodes that the walk wants next, one question at a time.
  private mutating func startNodes(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    guard !isFetchingNodes else { return }
    let requests = walk.nextRequests(limit: StateFetcher.nodeLimit)
    guard !requests.isEmpty else { return }
    isFetchingNodes = true
    let (source, opening) = (source, opening)
    tasks.addTask {
      let query = try ObjectQuery(app: opening.app, generation: opening.generation, ids: requests.map(\.id))
      let nodes = try await source.gatherAll(query) { (node) throws(PosternError) in
        // Whether it is the node that was asked for is for the walk to say, which opens it.
        guard node.bytes.count <= DumpLimits.nodeByteCount else { throw PosternError.mismatchedObject(node.id) }
      }
      return .nodes(nodes)
    }
  }

  /// Takes what chunks the walk gives, as many spans as may be under way.
  private mutating func startSpans(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    while spanCount < StateFetcher.spanLimit, nextSpan - (unfinished.min() ?? nextSpan) < StateFetcher.leadLimit {
      let chunks = walk.nextChunks(limit: chunksPerSpan, plainByteCount: StateSpan.byteCount)
      guard !chunks.isEmpty else { return }
      let span = StateSpan(number: nextSpan, chunks: chunks)
      nextSpan += 1
      spanCount += 1
      unfinished.insert(span.number)
      let (source, opening, openers, buffer) = (source, opening, openers, buffers.take())
      let (file, writers, successor) = (file, writers, successor)
      tasks.addTask {
        let sealedByteCount = try await span.fetch(
          app: opening.app, generation: opening.generation, from: source, with: openers, into: buffer)
        successor?.learn(span, in: buffer)
        if let file { try await span.write(buffer, to: file, on: writers) }
        return .span(span, buffer, sealedByteCount: sealedByteCount)
      }
    }
  }

  private mutating func handle(_ event: Event) async throws {
    switch event {
    case .nodes(let nodes):
      isFetchingNodes = false
      for node in nodes {
        try walk.supply(node.bytes, id: node.id)
        progress.fetchedByteCount += node.bytes.count
      }
    case .span(let span, let buffer, let sealedByteCount):
      unfinished.remove(span.number)
      progress.fetchedByteCount += sealedByteCount
      switch output {
      case .file: isWritten(span, buffer)
      case .ordered(let output, _):
        early[span.number] = (span, buffer)
        while let (span, buffer) = early.removeValue(forKey: nextWritten) {
          try await output.writeNext(buffer, span.bufferRange)
          isWritten(span, buffer)
        }
      }
    }
  }

  /// Where a span's task writes it; nil where spans have to wait for their turn.
  private var file: DirectFile? {
    switch output {
    case .file(let output): output.file
    case .ordered: nil
    }
  }

  private mutating func isWritten(_ span: StateSpan, _ buffer: PieceBuffer) {
    buffers.give(buffer)
    nextWritten += 1
    spanCount -= 1
    progress.writtenByteCount += span.plainByteCount
    progress.elapsed = start.duration(to: .now)
    report(progress)
  }
}

extension PosternError {
  /// A walk that ended before the tree did.
  ///
  /// What a source lacks is refused object by object before that: this checks the walk itself, so that no output gets its
  /// name that is not all of the state.
  fileprivate static let unfinishedWalk = PosternError(
    .sourceAbsent, "The walk through the dump's tree ended before all of its chunks were fetched.",
    advice: "Report it: this program is at fault, whatever the source has.")
}
