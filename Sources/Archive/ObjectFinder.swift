import Core
import Index
import Packs

/// Finds the archive's objects: runs say in which packs one may lie, and the packs' footers where it does.
struct ObjectFinder: Sendable {
  /// The packs and runs.
  let files: OpenFiles

  /// How often a question is asked anew whose runs were merged away meanwhile, or whose packs were written anew.
  private static let attemptCount = 4

  var index: ArchiveIndex { files.index }

  /// Where objects of one generation can be read: in sealed packs, or in those of the asking push.
  ///
  /// Where a sealed pack and the push's own hold the same object, the sealed one is answered. What was collected is not
  /// found, whether its bytes still lie in a pack or not.
  ///
  /// - Parameters:
  ///   - ids: the objects, as many as the caller has bounded.
  ///   - space: application and generation.
  ///   - own: what the asking push has finished itself.
  ///   - kind: of several copies, one of this kind is answered where there is one.
  /// - Throws: `index.*`, `storage.*`, `pack.damaged`.
  func locate(
    _ ids: [Digest], in space: Space, own: OwnPacks = OwnPacks(), preferring kind: ObjectKind? = nil
  ) throws(PosternError) -> FoundObjects {
    do throws(PosternError) {
      return try search(ids, in: space, own, preferring: kind)
    } catch let error where error.isOfUnreadableRun {
      files.noteDamagedRun(of: space)
      throw error
    }
  }

  private func search(
    _ ids: [Digest], in space: Space, _ own: OwnPacks, preferring kind: ObjectKind?
  ) throws(PosternError) -> FoundObjects {
    var search = ObjectSearch(ids, in: space, own, preferring: kind, files)
    for _ in 1..<ObjectFinder.attemptCount {
      do throws(PosternError) {
        try search.run()
        if !search.isStale { return search.found }
      } catch let error where error.code == .storageMissing {}
      search = ObjectSearch(ids, in: space, own, preferring: kind, files)
    }
    try search.run()
    return search.found
  }
}

/// What a push has finished, and nobody else may see.
struct OwnPacks: Sendable {
  /// The packs' numbers.
  var numbers: Set<UInt64> = []
  /// Entries of those that no run lists, sorted.
  var loose: [[RunEntry]] = []
}

/// Where an object can be read.
struct ObjectLocation: Hashable, Sendable {
  /// The pack's number.
  let pack: UInt64
  /// Whether the pack is the asking push's own, and not sealed.
  let isNew: Bool
  /// Where it lies in the pack.
  let entry: PackEntry
}

/// Where many objects can be read.
struct FoundObjects: Sendable {
  /// One for each id, in the order asked; nil where the archive holds no such object for the asker.
  var objects: [ObjectLocation?]
  /// Names of the sealed packs that the locations name, by number.
  var names: [UInt64: Digest] = [:]
  /// Why a pack could not be read that may hold what was not found.
  var unreadable: PosternError?
}
