import Core
import Envelope
import Sodium

/// What has to be judged or refused: answers to a recovery, transcripts, releases, proofs of possession.
extension EnvelopeRun {
  func checkRecovery(_ log: inout CaseLog, _ envelope: VerifiedEnvelope) throws {
    let sealed = vector.sealedReleases
    var bytes = sealed.recoverySecret.bytes
    let secret = try RecoverySecret(consuming: &bytes)
    let keys = secret.recipients(memberCount: vector.members.count)
    for (number, recipient) in sealed.recipients.enumerated() {
      guard vector.members.indices.contains(number), vector.members[number].name == recipient.member else {
        throw Malformed("the recipients are not the first members")
      }
      log.equal("recipient \(recipient.member.text)", keys.members[number].bytes, recipient.public.bytes)
    }
    log.equal("veil recipient", keys.veil.bytes, sealed.veilRecipient.bytes)
    guard let number = vector.members.firstIndex(where: { $0.name == sealed.member }) else {
      throw Malformed("the accused is no member")
    }
    let blame = secret.blame(number)
    log.equal("seed of \(sealed.member.text)", blame.seed, sealed.seed.bytes)
    let recovery = try sealed.recovery.digest()
    let member = try key(of: sealed.member)
    for message in sealed.messages {
      let opened = SealedReleases.open(
        message.message.bytes, envelope, from: member, recovery: recovery, with: secret.memberKey(number))
      let name = "sealed message: \(message.what)"
      log.expect(name, opened.verdict.rawValue == message.verdict, "\(opened.verdict.rawValue)")
      log.run("\(name): blame") { log in
        let verdict = try blame.judge(
          message.message.bytes, envelope, from: member, recovery: recovery, recipient: keys.members[number])
        log.expect("\(name): blame", verdict.rawValue == message.verdict, "\(verdict.rawValue)")
      }
    }
    try checkVoidBlame(&log, envelope, number: number, recipient: keys.members[number])
    let veilKey = secret.veilKey()
    log.run("sealed veil") { log in
      let opened = try SealedVeil.open(
        sealed.veil.bytes, app: try vector.appId.digest(), generation: vector.veil.generation,
        commit: try vector.veil.commit.digest(), recovery: recovery, with: veilKey)
      log.equal("sealed veil", opened.withUnsafeBytes { Array($0) }, vector.veil.secret.bytes)
    }
  }

  /// Another member's seed blames nobody.
  private func checkVoidBlame(
    _ log: inout CaseLog, _ envelope: VerifiedEnvelope, number: Int, recipient: RecipientPublicKey
  ) throws {
    let sealed = vector.sealedReleases
    guard let seed = sealed.seedOfAnotherMember else { return }
    var bytes = sealed.recoverySecret.bytes
    let secret = try RecoverySecret(consuming: &bytes)
    log.equal("seed of another member", secret.blame(number == 0 ? 1 : 0).seed, seed.bytes)
    guard let blame = Blame(seed.bytes), let message = sealed.messages.first else {
      throw Malformed("a seed of 32 bytes, and a message, are needed")
    }
    do {
      let verdict = try blame.judge(
        message.message.bytes, envelope, from: try key(of: sealed.member), recovery: try sealed.recovery.digest(),
        recipient: recipient)
      log.fail("blame by another member's seed", verdict.rawValue)
    } catch let error as PosternError {
      log.expect("blame by another member's seed", error.code == .blameVoid, "\(error)")
    }
  }

  func checkRefusals(_ log: inout CaseLog, _ envelope: Envelope) async throws {
    for item in vector.refused {
      let context = EnvelopeContext(
        digest: try item.context.digest(), policy: policy, kms: try item.kmsPublicKey.map { try $0.shardKey() })
      let name = "refused: \(item.what)"
      let expected = describe(item.rule, item.at)
      let verdict = await verdict(item.transcript.bytes, context)
      log.expect(name, verdict == expected, "\(verdict) in place of \(expected)")
    }
    for item in vector.refusedReleases {
      let context = try item.context.digest()
      let digest = try item.digest.digest()
      let isTrue = item.release.bytes.withUnsafeBytes { Release($0) }.map {
        envelope.isTrue($0, leaf: item.leaf, context: context, digest: digest)
      }
      log.expect("refused release: \(item.what)", isTrue != true, "it verifies")
    }
    for item in vector.refusedPossessions {
      log.expect("refused possession: \(item.what)", !isProven(item), "it verifies")
    }
  }

  /// The rule and index that refuse a transcript.
  private func verdict(_ transcript: [UInt8], _ context: EnvelopeContext) async -> String {
    do {
      let envelope = try Envelope(parsing: transcript, context: context)
      _ = try await envelope.verifyOnAllCores()
      return "nothing"
    } catch {
      return describe(error.code.rawValue.droppingArea("envelope"), error.index)
    }
  }

  private func describe(_ rule: String, _ index: Int?) -> String {
    index.map { "\(rule) \($0)" } ?? rule
  }

  private func isProven(_ item: EnvelopeVector.RefusedPossession) -> Bool {
    guard let signingKey = VerificationKey(item.signing.bytes), let shardKey = ShardPublicKey(item.public.bytes),
      let veilKey = try? VeilPublicKey(item.veil.bytes), let possession = PossessionProof(item.possession.bytes)
    else { return false }
    let identity = MemberIdentity(
      name: item.name, signingKey: signingKey, shardKey: shardKey, veilKey: veilKey, possession: possession)
    return (try? identity.verifyPossession()) != nil
  }
}
