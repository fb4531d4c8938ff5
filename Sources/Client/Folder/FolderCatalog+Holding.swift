public import Core
import Merkle
import Packs
import Records
import Trust

/// What a folder holds: its log may show far more, since a bundle has 256 entries of whomever.
extension FolderCatalog {
  /// Whether the folder holds an epoch's dump, by the rule of copies: who has its capsule had all of it.
  ///
  /// - Throws: `storage.*`, `pack.*`.
  public func holdsDump(of epoch: VerifiedEpoch) async throws -> Bool {
    let fields = epoch.fields
    return try await folder.holdsSound(body: fields.capsule, app: epoch.record.app, generation: fields.generation)
  }

  /// Goes through the epochs whose dumps the folder holds, newest first, as its log has them; nothing is proven.
  ///
  /// - Parameters:
  ///   - app: of which application; nil for all of them.
  ///   - policy: sealed under which recovery policy; nil for whichever.
  ///   - tell: takes an epoch; it answers whether it wants another one.
  /// - Returns: how many epochs were passed over because the folder shows their records and not their dumps.
  /// - Throws: `source.*`, `log.*`, `charter.*`, `storage.*`, `pack.*`; what `tell` throws.
  public func heldEpochs(
    of app: Digest?, under policy: Digest?, tell: (EpochSummary) throws -> Bool
  ) async throws -> Int {
    let size = try Checkpoint(parsing: SignedNote(parsing: try await checkpoint()).text).size
    var policies: [Digest: Digest] = [:]
    var absentCount = 0
    for place in try await folder.bundles().reversed() {
      for (index, leaf) in try await leaves(ofBundle: place, size).reversed() {
        guard let owner = RecordHead(leaf)?.app, app == nil || app == owner, let record = try? Record(parsing: leaf),
          case .epoch(let fields) = record.fields
        else { continue }
        if policies[owner] == nil { policies[owner] = try await policyDigest(of: owner) }
        // Without its charter nothing of an application can be checked, so that it is as good as not there.
        guard let digest = policies[owner],
          try await folder.holdsSound(body: fields.capsule, app: owner, generation: fields.generation)
        else {
          absentCount += 1
          continue
        }
        guard policy == nil || policy == digest else { continue }
        guard try tell(EpochSummary(fields, of: owner, policy: digest, leafIndex: index)) else { return absentCount }
      }
    }
    return absentCount
  }

  private func policyDigest(of app: Digest) async throws -> Digest? {
    guard try await folder.holdsSound(body: app, app: app, generation: 0) else { return nil }
    return try Charter(parsing: try await checkedBody(app: app, generation: 0, digest: app)).policyDigest
  }
}

extension FolderSource {
  /// Whether the folder has a body whose bytes are those of its digest.
  func holdsSound(body: Digest, app: Digest, generation: UInt64) async throws -> Bool {
    do {
      _ = try await checkedBody(app: app, generation: generation, digest: body)
      return true
    } catch let error as PosternError where error.code == .sourceAbsent || error.code == .sourceMismatch {
      return false
    }
  }
}

extension EpochSummary {
  fileprivate init(_ fields: EpochFields, of app: Digest, policy: Digest, leafIndex: UInt64) {
    self.init(
      app: app, epoch: fields.number, generation: fields.generation, stateVersion: fields.stateVersion,
      commitment: fields.commitment, policy: policy, leafIndex: leafIndex, root: fields.root, addedByteCount: nil)
  }
}
