package import Core
import Records

/// Which generation a push goes into: the one whose secrets the uploader holds, or the next.
package enum GenerationChoice: Hashable, Sendable {
  /// The one that it holds: it is the archive's current one, or was prepared and never admitted.
  case held
  /// A new one, with fresh secrets.
  case opening(UInt64)

  /// What the archive's newest epoch says of its generation.
  package struct Newest: Hashable, Sendable {
    let number: UInt64
    let veil: Digest

    package init(number: UInt64, veil: Digest) {
      self.number = number
      self.veil = veil
    }

    init(_ fields: EpochFields) {
      self.init(number: fields.generation, veil: fields.veil)
    }
  }

  /// What an uploader holds, in public.
  package struct Holding: Hashable, Sendable {
    let number: UInt64
    let charter: Digest
    let veil: Digest

    package init(number: UInt64, charter: Digest, veil: Digest) {
      self.number = number
      self.charter = charter
      self.veil = veil
    }

    init(_ generation: borrowing HeldGeneration) {
      number = generation.number
      charter = generation.charter
      veil = generation.veilDigest
    }
  }

  /// Decides.
  ///
  /// - Parameters:
  ///   - holding: what the state folder has; nil where it has nothing.
  ///   - newest: the archive's newest epoch; nil before the first.
  ///   - next: the number of the generation after the newest epoch's.
  ///   - charter: digest of the charter in force: a veil binds the one that its generation opened under.
  ///   - opensNext: whether the uploader wants a new generation in any case.
  package init(holding: Holding?, newest: Newest?, next: UInt64, charter: Digest, opensNext: Bool) {
    self = .opening(next)
    guard let holding, holding.charter == charter else { return }
    let isPrepared = holding.number == next
    let isCurrent = holding.number == newest?.number && holding.veil == newest?.veil
    if isPrepared || isCurrent && !opensNext { self = .held }
  }
}

/// Why a push opened a generation instead of going on in the newest epoch's.
///
/// An epoch that opens a generation sends all of its dump: objects of one generation are no use to another.
public enum GenerationOpening: String, Hashable, Sendable {
  /// It is the application's first.
  case first
  /// It was asked to.
  case asked
  /// The charter in force is another than the one that the generation was opened under.
  case charter
  /// A push from the same state folder had opened it, and was cut off before its epoch was in the log.
  case cutOff = "cut-off"
  /// The state folder does not hold the generation's secrets.
  case notHeld = "not-held"

  /// The reason why a push into a generation other than the newest epoch's is in one.
  ///
  /// - Parameters:
  ///   - holding: what the state folder had before; nil where it had nothing.
  ///   - newest: the archive's newest epoch; nil before the first.
  ///   - charter: digest of the charter in force.
  ///   - opensNext: whether the uploader wanted a new generation in any case.
  package init(
    holding: GenerationChoice.Holding?, newest: GenerationChoice.Newest?, charter: Digest, opensNext: Bool
  ) {
    if newest == nil {
      self = .first
    } else if opensNext {
      self = .asked
    } else if let holding, holding.number == newest?.number, holding.veil == newest?.veil, holding.charter != charter {
      self = .charter
    } else if let holding, let newest, holding.charter == charter, holding.number > newest.number,
      holding.number - newest.number == 1
    {
      self = .cutOff
    } else {
      self = .notHeld
    }
  }
}
