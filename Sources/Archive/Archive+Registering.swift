public import Core
import Index
import Merkle
import Records

extension Archive {
  /// Registers a genesis charter.
  ///
  /// - Parameters:
  ///   - leaf: the charter record.
  ///   - charter: the charter's body.
  ///   - signatures: the body with every member's signature.
  ///   - address: whom the request came from, for the limit of registrations a day.
  /// - Returns: the receipt: a C2SP tlog-proof whose extra line is the leaf.
  /// - Throws: `record.*`, `charter.*`, `policy.*`, `storage.*`, `archive.busy`, `archive.given-up`, `archive.stopped`.
  public func register(
    leaf: [UInt8], charter: [UInt8], signatures: [UInt8], from address: String
  ) async throws(PosternError) -> [UInt8] {
    // Before anything that costs: a thousand members are a quarter of a second.
    let app = try Record(parsing: leaf).app
    if let first = try registered(app, leafHash: TreeHash.leaf(leaf)) { return try receipt(first) }
    try await registrar.requireQuota(of: address, nowSeconds: Clock.nowSeconds)
    try await sequencer.requireAllShown()
    let bodies = Bodies([charter, signatures])
    let checked = try await checks.take(for: address) { () async throws(PosternError) in
      try await check(leaf: leaf, bodies: bodies, charter: nil)
    }
    guard case .charter = checked else { throw .notARegistration }
    // The sequencer judges again; but a charter of another log is refused before anything is written.
    _ = try apply(checked, to: AdmissionFacts(home: home, application: nil, veilCommitGeneration: nil))
    // Only now: what is no registration counts against nobody.
    try await registrar.count(address, nowSeconds: Clock.nowSeconds)
    return try await stopping { () async throws(PosternError) in try await admit(checked, bodies, app) }
  }

  private func admit(
    _ checked: Checked, _ bodies: Bodies, _ app: Digest
  ) async throws(PosternError) -> [UInt8] {
    let pack = try await registrar.store(bodies, app: app)
    do throws(PosternError) {
      let admission = try await sequencer.admit(Submission(checked: checked, push: nil, packs: [pack]))
      if admission.isRepeat { await registrar.remove(pack.pack.number) }
      return try receipt(admission.index)
    } catch {
      // After a stop the pack may be the log's: the next start knows.
      if error.code != .archiveStopped { await registrar.remove(pack.pack.number) }
      throw error
    }
  }

  /// The index of this very charter record, where it was admitted before.
  private func registered(_ app: Digest, leafHash: Digest) throws(PosternError) -> UInt64? {
    try index.read { (snapshot) throws(PosternError) in
      guard let row = try snapshot.application(app), row.charterLeafHash == leafHash else { return nil }
      return row.charterIndex
    }
  }
}

extension PosternError {
  fileprivate static let notARegistration = PosternError(
    .recordUnknown, "The record is no charter.", advice: "Register with “postern charter register”.")
}
