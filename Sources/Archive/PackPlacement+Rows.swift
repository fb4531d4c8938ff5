import Core
import Index
import Packs

extension PackPlacement {
  /// Where a pack belongs that a commit seals.
  init(_ sealing: PackSealing) {
    self.init(
      number: sealing.pack.number, app: sealing.pack.app, generation: sealing.pack.generation, name: sealing.name)
  }

  /// Where a pack belongs under one of the names that its row gives it.
  init(_ row: PackRow, named name: Digest) {
    self.init(number: row.number, app: row.app, generation: row.generation, name: name)
  }

  /// Where its objects are found.
  var space: Space { Space(app: app, generation: generation) }
}
