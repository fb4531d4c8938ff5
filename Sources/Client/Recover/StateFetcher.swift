import Core
import Dump
import Packs
import Trust

/// Fetches a dump, opens it on all cores and writes the state, with memory that does not grow with the state.
///
/// One task fetches nodes, some fetch and open parts of windows, some write windows; this value alone decides what
/// comes next. A part is opened in the task that fetches it, so that fetching and opening overlap.
struct StateFetcher<Origin: Source>: ~Copyable {
  /// Windows under way, each with its buffer: one is written while the next comes.
  private static var windowLimit: Int { 2 }
  /// Parts under way.
  private static var partLimit: Int { 8 }
  /// Chunks that the walk may be ahead: so many that a question is for many nodes, and that those of the next windows
  /// come in time over a slow link.
  private static var lookAheadCount: Int { 16_384 }
  /// Nodes of one question.
  private static var nodeLimit: Int { 256 }

  /// What a task came back with.
  private enum Event: Sendable {
    case nodes([GatheredObject])
    case part(WindowPart, sealedByteCount: Int)
    case written(window: Int)
  }

  /// A window that is fetched, opened or written.
  private struct OpenWindow {
    let window: StateWindow
    let buffer: PieceBuffer
    /// Parts that were not asked for.
    var waiting: ArraySlice<WindowPart>
    /// Chunks that have not been opened.
    var missingCount: Int
    var isWriting = false

    init(_ window: StateWindow, _ buffer: PieceBuffer) {
      self.window = window
      self.buffer = buffer
      waiting = window.divide()[...]
      missingCount = window.chunks.count
    }
  }

  private let opening: (app: Digest, generation: UInt64)
  private let source: Origin
  private let openers: WorkerPool<ChunkOpener>
  private let buffers: BufferPool
  private let successor: Successor?
  private let writers = QueuePool(label: "postern.state-file", width: 2)
  private let report: @Sendable (RecoverProgress) -> Void
  private let start = ContinuousClock.now

  private var walk: TreeWalk
  private let output: StateOutput
  private var progress = RecoverProgress()
  private var isFetchingNodes = false
  private var cutter: WindowCutter
  /// By number.
  private var windows: [OpenWindow] = []
  private var partCount = 0
  private var writeCount = 0

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
    cutter = WindowCutter(chunker)
    buffers = BufferPool(
      byteCount: StateWindow.bufferByteCount, takesHugePages: root.plainByteCount >= StateWindow.byteCount)
    walk = TreeWalk(root: root, chunker: chunker, lookAheadCount: StateFetcher.lookAheadCount)
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
        fetcher.startParts(&tasks)
        fetcher.startNodes(&tasks)
        fetcher.startWrites(&tasks)
        guard let event = try await tasks.next() else { break }
        try fetcher.handle(event)
      }
    }
    guard fetcher.walk.isFinished, fetcher.cutter.isEmpty, fetcher.windows.isEmpty else {
      throw PosternError.unfinishedWalk
    }
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

  /// Asks for parts of windows, as many as may be under way.
  private mutating func startParts(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    while partCount < StateFetcher.partLimit {
      guard let place = windows.firstIndex(where: { !$0.waiting.isEmpty }) else {
        guard openWindow() else { return }
        continue
      }
      guard let part = windows[place].waiting.popFirst() else { return }
      partCount += 1
      let (source, opening, openers, buffer) = (source, opening, openers, windows[place].buffer)
      tasks.addTask {
        let sealedByteCount = try await part.fetch(
          app: opening.app, generation: opening.generation, from: source, with: openers, into: buffer)
        return .part(part, sealedByteCount: sealedByteCount)
      }
    }
  }

  /// Opens the next window once the walk has said all of it.
  ///
  /// - Returns: false where nodes are missing, as many windows are open as may be, or the state ends.
  private mutating func openWindow() -> Bool {
    guard windows.count < StateFetcher.windowLimit, let window = cutter.next(from: &walk) else { return false }
    windows.append(OpenWindow(window, buffers.take()))
    return true
  }

  /// Writes windows that are whole: side by side into a file, one after the other where order counts.
  private mutating func startWrites(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    for place in windows.indices where windows[place].missingCount == 0 && !windows[place].isWriting {
      if isOrdered, place > 0 || writeCount > 0 { return }
      windows[place].isWriting = true
      writeCount += 1
      let (window, buffer) = (windows[place].window, windows[place].buffer)
      let (output, writers, successor) = (output, writers, successor)
      tasks.addTask {
        successor?.learn(window, in: buffer)
        switch output {
        case .file(let output): try await window.write(buffer, to: output.file, on: writers)
        case .ordered(let output, _): try await output.writeNext(buffer, window.bufferRange)
        }
        return .written(window: window.number)
      }
    }
  }

  private var isOrdered: Bool {
    switch output {
    case .file: false
    case .ordered: true
    }
  }

  private mutating func handle(_ event: Event) throws {
    switch event {
    case .nodes(let nodes):
      isFetchingNodes = false
      for node in nodes {
        try walk.supply(node.bytes, id: node.id)
        progress.fetchedByteCount += node.bytes.count
      }
    case .part(let part, let sealedByteCount):
      partCount -= 1
      windows[place(of: part.window.number)].missingCount -= part.chunks.count
      progress.fetchedByteCount += sealedByteCount
      tell()
    case .written(let number):
      writeCount -= 1
      let done = windows.remove(at: place(of: number))
      buffers.give(done.buffer)
      progress.writtenByteCount += done.window.plainByteCount
      tell()
    }
  }

  private func place(of number: Int) -> Int {
    guard let place = windows.firstIndex(where: { $0.window.number == number }) else {
      preconditionFailure("a window stays open until it is written")
    }
    return place
  }

  private mutating func tell() {
    progress.elapsed = start.duration(to: .now)
    report(progress)
  }
}

extension PosternError {
  /// A walk that ended before the tree did.
  ///
  /// What a source lacks is refused object by object before that: this checks the walk itself, so that no output gets
  /// its name that is not all of the state.
  fileprivate static let unfinishedWalk = PosternError(
    .sourceAbsent, "The walk through the dump's tree ended before all of its chunks were fetched.",
    advice: "Report it: this program is at fault, whatever the source has.")
}
