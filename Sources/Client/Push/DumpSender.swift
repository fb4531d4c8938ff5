import Core
import Dump

/// Reads a state, seals it on all cores, and sends it, with memory that does not grow with the state.
///
/// One task reads, some seal, some send; this value alone decides what comes next. It holds at most
/// ``pieceLimit`` pieces on their way from the reader to their window, and ``windowLimit`` windows, the one being
/// filled included.
struct DumpSender: ~Copyable {
  /// State that is read and sealed at once.
  static let pieceByteCount = 256 << 10
  /// Pieces between reader and window, out of turn ones included.
  private static let pieceLimit = 4
  /// Windows in memory: one is filled while the other is sent, or both are sent.
  private static let windowLimit = 2

  /// What a task came back with.
  private enum Event: Sendable {
    case read(PlainPiece)
    case sealed(SealedPiece)
    case sent(PushWindow)
  }

  private let reader: PieceReader
  private let uploader: WindowUploader
  private let meter: PushMeter
  private let sealer: PieceSealer
  private let cache: FingerprintCacheWriter
  private let plainBuffers = BufferPool(byteCount: DumpSender.pieceByteCount)

  private var builder: TreeBuilder?
  private var window = PushWindow()
  private var windowNumber = 0
  private var sendingCount = 0
  private var isReading = false
  private var isRead = false
  private var pieceCount = 0
  private var nextNumber = 0
  /// Sealed pieces whose turn has not come.
  private var early: [Int: SealedPiece] = [:]

  /// A sender of one state.
  ///
  /// - Parameters:
  ///   - input: the state.
  ///   - secret: the generation's secret.
  ///   - chunker: how the state is cut.
  ///   - cutter: cuts it.
  ///   - sealer: seals its chunks.
  ///   - cache: takes down all of them for the next push.
  ///   - uploader: sends what the archive lacks.
  ///   - meter: counts.
  init(
    input: StateInput, secret: borrowing GenerationSecret, chunker: ChunkerParameters,
    cutter: consuming StateCutter, sealer: PieceSealer, cache: FingerprintCacheWriter, uploader: WindowUploader,
    meter: PushMeter
  ) {
    reader = PieceReader(input, cutter: cutter, chunkByteCountLimit: chunker.chunkByteCount)
    self.sealer = sealer
    self.cache = cache
    self.uploader = uploader
    self.meter = meter
    builder = TreeBuilder(secret: secret)
  }

  /// Sends the whole state.
  ///
  /// - Returns: the dump's root, which the archive has by then, with everything below it.
  /// - Throws: `push.*`, `dump.too-large`, `wire.*`.
  consuming func send() async throws -> ObjectReference {
    var sender = self
    return try await withThrowingTaskGroup(of: Event.self) { tasks in
      var root: ObjectReference?
      while true {
        try sender.takeTurns()
        if sender.isRead, sender.pieceCount == 0, root == nil { root = try sender.finishTree() }
        sender.startSending(&tasks, isLast: root != nil)
        try sender.takeTurns()
        sender.startReading(&tasks)
        guard let event = try await tasks.next() else { break }
        sender.handle(event, &tasks)
      }
      guard let root else { preconditionFailure("a state that was read has a root") }
      return root
    }
  }

  private mutating func handle(_ event: Event, _ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    switch event {
    case .read(let piece):
      isReading = false
      isRead = piece.isLast
      meter.read(byteCount: piece.readByteCount)
      guard !piece.cuts.ranges.isEmpty else {
        plainBuffers.give(piece.buffer)
        pieceCount -= 1
        return
      }
      let (sealer, plainBuffers) = (sealer, plainBuffers)
      tasks.addTask {
        let sealed = sealer.seal(piece)
        plainBuffers.give(piece.buffer)
        return .sealed(sealed)
      }
    case .sealed(let piece):
      early[piece.number] = piece
      if piece.unchangedByteCount > 0 { meter.unchanged(byteCount: piece.unchangedByteCount) }
    case .sent(var window):
      for buffer in window.takeBuffers() { sealer.recycle(buffer) }
      sendingCount -= 1
    }
  }

  /// Reads the next piece, unless enough are under way.
  private mutating func startReading(_ tasks: inout ThrowingTaskGroup<Event, any Error>) {
    guard !isReading, !isRead, pieceCount < DumpSender.pieceLimit else { return }
    isReading = true
    pieceCount += 1
    let (reader, buffer) = (reader, plainBuffers.take())
    tasks.addTask { .read(try await reader.next(in: buffer)) }
  }

  /// Puts pieces whose turn has come into the window, as long as it has room and may be there at all.
  private mutating func takeTurns() throws {
    while sendingCount < DumpSender.windowLimit, !window.isFull, let piece = early.removeValue(forKey: nextNumber) {
      nextNumber += 1
      pieceCount -= 1
      window.append(piece)
      cache.append(piece.chunks.lazy.map { .init(fingerprint: $0.fingerprint, reference: $0.reference) })
      var nodes: [SealedNode] = []
      for chunk in piece.chunks { try builder?.append(chunk.reference, completed: &nodes) }
      for node in nodes { window.append(node) }
    }
  }

  /// Sends the window when it is full, or when it is the last one.
  private mutating func startSending(_ tasks: inout ThrowingTaskGroup<Event, any Error>, isLast: Bool) {
    guard sendingCount < DumpSender.windowLimit, window.isFull || isLast && !window.isEmpty else { return }
    var full = window
    let (uploader, number) = (uploader, windowNumber)
    window = window.next
    windowNumber += 1
    sendingCount += 1
    tasks.addTask {
      full.sort()
      try await uploader.upload(full, number: number)
      return .sent(full)
    }
  }

  /// Completes the tree; its last nodes, the root at the very end, go into the last window.
  private mutating func finishTree() throws -> ObjectReference? {
    guard let builder = builder.take() else { return nil }
    var nodes: [SealedNode] = []
    let root = try builder.finish(completed: &nodes)
    for node in nodes { window.append(node) }
    return root
  }
}
