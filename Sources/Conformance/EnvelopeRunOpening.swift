import Bulk
import Core
import Envelope
import Sodium

/// What has to open: releases, doors, the veil.
extension EnvelopeRun {
  func checkReleases(
    _ log: inout CaseLog, _ envelope: VerifiedEnvelope, _ draws: inout SeededDraws
  ) throws {
    let leaves = policy?.leaves ?? []
    log.expect(
      "releases: one a leaf", vector.releases.map(\.leaf) == Array(leaves.indices),
      "\(vector.releases.count) for \(leaves.count) leaves")
    for expected in vector.releases {
      guard leaves.indices.contains(expected.leaf), let name = name(of: leaves[expected.leaf]) else {
        throw Malformed("there is no leaf \(expected.leaf)")
      }
      let release = try envelope.release(
        leaf: expected.leaf, with: master(of: name).shardKey(), draws: &draws)
      log.equal("release \(expected.leaf)", release.withUnsafeBytes { Array($0) }, expected.release.bytes)
    }
  }

  func checkOpening(_ log: inout CaseLog, _ envelope: VerifiedEnvelope, dealt: [UInt8]) throws {
    if let kms = vector.kms {
      let key = try master(kms.provisioned).shardKey()
      log.run("KMS door") { log in
        let secret = try envelope.openKMSDoor(with: key)
        log.equal("KMS door", bytes(secret), vector.secret.bytes)
        log.equal("capsule key by the KMS door", try capsuleKey(secret), vector.capsuleKey.bytes)
      }
    }
    for subset in vector.subsets {
      try checkSubset(&log, subset, envelope)
    }
  }

  private func checkSubset(
    _ log: inout CaseLog, _ subset: EnvelopeVector.Subset, _ envelope: VerifiedEnvelope
  ) throws {
    let name = "subset \(subset.members.map(\.text).joined(separator: ", "))"
    let members = try Set(subset.members.map { try key(of: $0) })
    let satisfied = policy?.isSatisfied(by: members) ?? false
    log.expect("\(name): policy", satisfied == subset.opens, "satisfied: \(satisfied)")
    let leaves = policy?.leaves ?? []
    var releases: [VerifiedRelease] = []
    for item in vector.releases where leaves.indices.contains(item.leaf) && members.contains(leaves[item.leaf]) {
      guard let release = item.release.bytes.withUnsafeBytes({ Release($0) }) else {
        throw Malformed("a release has 96 bytes")
      }
      do { releases.append(try envelope.verify(release, leaf: item.leaf)) } catch {
        return log.fail(name, "\(error)")
      }
    }
    do {
      let secret = try envelope.combine(releases)
      log.expect("\(name): opens", subset.opens && bytes(secret) == vector.secret.bytes, "it opens")
      if subset.opens { log.equal("\(name): capsule key", try capsuleKey(secret), vector.capsuleKey.bytes) }
    } catch {
      log.expect("\(name): opens", !subset.opens, "\(error)")
    }
  }

  func checkVeil(_ log: inout CaseLog) throws {
    let context = VeilContext(
      app: try vector.appId.digest(), generation: vector.veil.generation,
      charterDigest: try vector.charterDigest.digest())
    let holders = vector.members.map(\.name) + (vector.kms == nil ? [] : [Name("kms")])
    log.expect("veil: a copy a holder", vector.veil.sealed.map(\.to) == holders, "sealed to others")
    let commit = try veilSecret().commit(app: context.app, generation: context.generation)
    log.equal("veil: commit", commit.bytes, vector.veil.commit.bytes)
    let body = vector.veil.commit.bytes + vector.veil.sealed.flatMap(\.bytes.bytes)
    let veil = try Veil(parsing: body, memberCount: vector.members.count, hasKMS: vector.kms != nil)
    for (number, member) in vector.members.enumerated() {
      let key = try master(member.master).veilKey()
      log.run("veil: \(member.name.text)") { log in
        let opened = try veil.open(.member(number), with: key, context: context)
        log.equal("veil: \(member.name.text)", opened.withUnsafeBytes { Array($0) }, vector.veil.secret.bytes)
      }
    }
    guard let kms = vector.kms else { return }
    let key = try master(kms.provisioned).veilKey()
    log.run("veil: kms") { log in
      let opened = try veil.open(.kms, with: key, context: context)
      log.equal("veil: kms", opened.withUnsafeBytes { Array($0) }, vector.veil.secret.bytes)
    }
  }

  /// The shard key of a member, by its name.
  func key(of name: Name) throws -> ShardPublicKey {
    guard let key = keys[name] else { throw Malformed("\(name.text) is no member") }
    return key
  }

  private func name(of key: ShardPublicKey) -> Name? {
    vector.members.first { $0.public.bytes == key.bytes }?.name
  }

  private func veilSecret() throws -> VeilSecret {
    var bytes = vector.veil.secret.bytes
    return try VeilSecret(consuming: &bytes)
  }

  private func capsuleKey(_ secret: borrowing DoorSecret) throws -> [UInt8] {
    let key = secret.capsuleKey(veil: try veilSecret(), envelope: try vector.digest.digest())
    return key.withUnsafeBytes { Array($0) }
  }

  private func bytes(_ secret: borrowing DoorSecret) -> [UInt8] {
    secret.memory.withUnsafeBytes { Array($0) }
  }
}
