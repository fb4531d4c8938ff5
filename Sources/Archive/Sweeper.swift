import Core
import Index
import Packs

/// Removes packs that were given up, after whoever gave them up was answered.
///
/// Their files go at once, and their rows in small steps. What a stop of the process leaves is removed at the next
/// start.
final class Sweeper: Sendable {
  private let files: OpenFiles
  private let sequencer: Sequencer
  private let turns = Turns()

  /// A sweeper of an open archive.
  ///
  /// - Parameters:
  ///   - files: where the packs lie.
  ///   - sequencer: told when nobody knows what the index holds.
  init(files: OpenFiles, sequencer: Sequencer) {
    self.files = files
    self.sequencer = sequencer
  }

  /// Removes packs that the index has as abandoned, and returns when they are gone; what lists them goes after that.
  ///
  /// - Throws: `storage.*`, `index.*`; what is left is removed at the next start.
  func removeNow(
    _ packs: [PackRow], isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    await sequencer.forget(packs)
    try await removePacks(packs, of: files)
  }

  /// Removes packs that the index has as abandoned.
  func remove(_ packs: [PackRow]) {
    guard !packs.isEmpty else { return }
    // The rows are removed whatever becomes of the files: a file without a row goes at the next start.
    for pack in packs { try? files.removePack(pack.number) }
    let (files, sequencer, turns) = (files, sequencer, turns)
    Task {
      await sequencer.forget(packs)
      await turns.take()
      defer { turns.pass() }
      do throws(PosternError) {
        try await unlessFatal { () async throws(PosternError) in
          try await files.index.writer.removeAllAbandoned(packs.map(\.number))
        }
      } catch {
        await sequencer.halt(error)
      }
    }
  }
}
