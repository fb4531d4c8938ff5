import Bulk
import Core
import Envelope
import Sodium

/// Checks one file about an envelope: first what has to come out of its seed, then what has to open, then what
/// has to be refused.
struct EnvelopeRun {
  let vector: EnvelopeVector
  let keys: [Name: ShardPublicKey]
  let policy: Policy?
  let context: EnvelopeContext

  init(_ vector: EnvelopeVector) throws {
    self.vector = vector
    var keys: [Name: ShardPublicKey] = [:]
    for member in vector.members { keys[member.name] = try member.public.shardKey() }
    self.keys = keys
    policy = try vector.policy.map { tree in
      try Policy(
        root: tree.gate { name in
          guard let key = keys[name] else { throw Malformed("the policy names \(name.text), who is no member") }
          return key
        })
    }
    context = try EnvelopeContext(
      app: vector.appId.digest(), epoch: vector.epoch, charterDigest: vector.charterDigest.digest(), policy: policy,
      kms: vector.kms.map { try $0.public.shardKey() }, generation: vector.veil.generation,
      veilCommit: vector.veil.commit.digest())
  }

  func check(_ log: inout CaseLog) async throws {
    var draws = SeededDraws(seed: vector.seed.bytes)
    try checkKeys(&log, &draws)
    checkContext(&log)
    let secret = deal(&log, &draws)
    let envelope = try Envelope(parsing: vector.transcript.bytes, context: context)
    checkDual(&log, envelope)
    let verified = try envelope.verify()
    let again = try? await envelope.verifyOnAllCores()
    log.expect("verifies", again?.digest == verified.digest, "one core and all cores do not agree")
    try checkReleases(&log, verified, &draws)
    try checkOpening(&log, verified, dealt: secret)
    try checkVeil(&log)
    try checkRecovery(&log, verified)
    try await checkRefusals(&log, envelope)
  }

  /// A holder's master secret.
  func master(_ hex: Hex) throws -> MasterSecret {
    var bytes = hex.bytes
    return try MasterSecret(consuming: &bytes)
  }

  /// A member's master secret, by its name.
  func master(of name: Name) throws -> MasterSecret {
    guard let member = vector.members.first(where: { $0.name == name }) else {
      throw Malformed("\(name.text) is no member")
    }
    return try master(member.master)
  }

  private func checkKeys(_ log: inout CaseLog, _ draws: inout SeededDraws) throws {
    log.equal("generator H", Point.generatorH.bytes, vector.generatorH.bytes)
    for member in vector.members {
      let master = try master(member.master)
      let identity = MemberIdentity(name: member.name.text, master: master, draws: &draws)
      log.equal("\(member.name.text): signing key", identity.signingKey.bytes, member.signing.bytes)
      log.equal("\(member.name.text): shard secret", secretBytes(master.shardKey()), member.secret.bytes)
      log.equal("\(member.name.text): shard key", identity.shardKey.bytes, member.public.bytes)
      log.equal("\(member.name.text): veil key", identity.veilKey.bytes, member.veil.bytes)
      log.equal("\(member.name.text): possession", identity.possession.bytes, member.possession.bytes)
      log.run("\(member.name.text): possession verifies") { log in
        try identity.verifyPossession()
        let readable = try? VeilPublicKey(member.veil.bytes)
        log.expect("\(member.name.text): possession verifies", readable == identity.veilKey, "its veil key is refused")
      }
    }
    guard let kms = vector.kms else { return }
    let master = try master(kms.provisioned)
    let identity = KMSIdentity(master: master, draws: &draws)
    log.equal("kms: shard secret", secretBytes(master.shardKey()), kms.secret.bytes)
    log.equal("kms: shard key", identity.shardKey.bytes, kms.public.bytes)
    log.equal("kms: veil key", identity.veilKey.bytes, kms.veil.bytes)
    log.equal("kms: possession", identity.possession.bytes, kms.possession.bytes)
    log.run("kms: possession verifies") { log in
      try identity.verifyPossession()
      log.expect("kms: possession verifies", true, "")
    }
  }

  private func secretBytes(_ key: borrowing ShardKey) -> [UInt8] {
    key.secret.withUnsafeBytes(at: 0) { Array($0) }
  }

  private func checkContext(_ log: inout CaseLog) {
    log.equal("policy encoding", Policy.encode(policy), vector.policyEncoding.bytes)
    log.run("policy decodes") { log in
      var reader = ByteReader(vector.policyEncoding.bytes)
      let decoded = try Policy.read(from: &reader)
      log.expect("policy decodes", decoded == policy && reader.remaining == 0, "to another tree")
    }
    log.equal("context", context.digest.bytes, vector.context.bytes)
  }

  /// Deals from the seed and returns the secret's bytes.
  private func deal(_ log: inout CaseLog, _ draws: inout SeededDraws) -> [UInt8] {
    let dealing = Envelope.deal(context: context, draws: &draws)
    let secret = dealing.secret.memory.withUnsafeBytes { Array($0) }
    log.equal("transcript", dealing.transcript, vector.transcript.bytes)
    log.equal("digest", dealing.digest.bytes, vector.digest.bytes)
    log.equal("S", secret, vector.secret.bytes)
    return secret
  }

  private func checkDual(_ log: inout CaseLog, _ envelope: Envelope) {
    log.equal("commitments", envelope.commitments.bytes, vector.commitments.bytes)
    log.equal("digest of the transcript", envelope.digest.bytes, vector.digest.bytes)
    let count = policy?.gateCount ?? 0
    log.expect("dual: a challenge a gate", vector.dual.count == count, "\(vector.dual.count) for \(count) gates")
    for (gate, challenge) in vector.dual.enumerated() {
      log.equal("dual: gate \(gate)", envelope.dualChallenge(gate: gate).bytes, challenge.bytes)
    }
  }
}
