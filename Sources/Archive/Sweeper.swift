import Core
import Index
import Packs

/// Removes packs that were given up, after whoever gave them up was answered.
///
/// Their files go at once. Their rows go one pack after the other: rows are not filed by pack, so that each costs a
/// pass through its generation. What a stop of the process leaves is removed at the next start.
final class Sweeper: Sendable {
  private let folder: DataFolder
  private let index: ArchiveIndex
  private let sequencer: Sequencer
  private let turns = Turns()

  /// A sweeper of an open archive.
  ///
  /// - Parameters:
  ///   - folder: where the packs' files lie.
  ///   - index: where their rows stand.
  ///   - sequencer: told when nobody knows what the index holds.
  init(folder: DataFolder, index: ArchiveIndex, sequencer: Sequencer) {
    self.folder = folder
    self.index = index
    self.sequencer = sequencer
  }

  /// Removes packs that the index has as abandoned.
  func remove(_ packs: [PackRow]) {
    guard !packs.isEmpty else { return }
    // The rows are removed whatever becomes of the files: a file without a row goes at the next start.
    for pack in packs { try? folder.removePack(number: pack.number) }
    let (folder, index, sequencer, turns) = (folder, index, sequencer, turns)
    Task {
      await turns.take()
      defer { turns.pass() }
      do throws(PosternError) {
        try await unlessFatal { () async throws(PosternError) in
          try await removePacks(packs, folder: folder, index: index)
        }
      } catch {
        await sequencer.halt(error)
      }
    }
  }
}
