public import Core
import Envelope
import Sodium

extension Charter {
  /// Refuses a charter that could never be opened, pushed under or amended.
  ///
  /// Policies were judged when they were read. Proofs of possession are verified, which costs two
  /// multiplications a holder.
  ///
  /// - Throws: `charter.*`, with the member's or node's number where one is at fault.
  public func validate() throws(PosternError) {
    try validateCounts()
    try validateNames()
    try validateKeys()
    try validatePolicyMembers()
    try validatePossession()
  }

  private func validateCounts() throws(PosternError) {
    guard (1...Limits.members).contains(members.count) else {
      throw PosternError(
        .charterCount, "A charter has 1 to \(Limits.members) members, and this one has \(members.count).",
        advice: "Name at least one member, who can amend the charter.")
    }
    guard uploaders.count <= Limits.nodes, requesters.count <= Limits.nodes else {
      throw PosternError(
        .charterCount, "A charter has at most \(Limits.nodes) uploaders and as many requesters.",
        advice: "Take some out.")
    }
    guard recovery != nil || kms != nil else {
      throw PosternError(
        .charterNoDoor, "The charter has neither a council door nor a KMS door, so nothing could ever be opened.",
        advice: "Add a recovery policy, a KMS door, or both.")
    }
    guard !uploaders.isEmpty else {
      throw PosternError(
        .charterNobody, "The charter lists no uploader, so nothing could ever be pushed.",
        advice: "Add the public half of an uploader key.")
    }
    guard recovery == nil || !requesters.isEmpty else {
      throw PosternError(
        .charterNobody, "The charter has a council door but lists no requester, so nobody could ever ask for it.",
        advice: "Add the public half of a requester key.")
    }
  }

  private func validateNames() throws(PosternError) {
    try Charter.check(name: name, of: "The application", index: nil)
    try Charter.check(names: members.map(\.name), of: "member")
    try Charter.check(names: uploaders.map(\.name), of: "uploader")
    try Charter.check(names: requesters.map(\.name), of: "requester")
    if let kms { try Charter.check(name: kms.path, of: "The KMS path", index: nil, limit: Limits.pathByteCount) }
  }

  /// Whether a text can be a name: not empty, not too long, nothing that does not show, no space at an end.
  ///
  /// What does not show is listed and not looked up, so that the verdict is the same under every version of Unicode:
  /// control characters, soft hyphen, zero-width characters, line and paragraph separators, marks that turn the
  /// direction of writing, tags. A name is printed where people decide what to sign.
  public static func isName(_ text: String, byteCountLimit: Int = Limits.nameByteCount) -> Bool {
    (1...byteCountLimit).contains(text.utf8.count) && text.first != " " && text.last != " "
      && !text.unicodeScalars.contains(where: isUnseen)
  }

  /// Whether a character does not show: see ``isName(_:byteCountLimit:)``.
  public static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
    unseen.contains { $0.contains(scalar.value) }
  }

  private static let unseen: [ClosedRange<UInt32>] = [
    0x00...0x1F, 0x7F...0xA0, 0xAD...0xAD, 0x61C...0x61C, 0x180E...0x180E, 0x200B...0x200F, 0x2028...0x202F,
    0x2060...0x206F, 0xFEFF...0xFEFF, 0xFFF0...0xFFFB, 0xE0000...0xE0FFF,
  ]

  private static func check(names: [String], of role: String) throws(PosternError) {
    var seen: Set<[UInt8]> = []
    for (index, name) in names.enumerated() {
      try check(name: name, of: "The \(role) number \(index)", index: index)
      // Bytes, not characters: two spellings of one name are two names to every hash.
      guard seen.insert(Array(name.utf8)).inserted else {
        throw PosternError(
          .charterName, "The \(role) name “\(name)” stands twice.", advice: "Give each \(role) a name of its own.",
          index: index)
      }
    }
  }

  private static func check(
    name: String, of owner: String, index: Int?, limit: Int = Limits.nameByteCount
  ) throws(PosternError) {
    guard isName(name, byteCountLimit: limit) else {
      throw PosternError(
        .charterName, "\(owner) has a name that is empty, longer than \(limit) bytes, or holds control characters.",
        advice: "Choose a shorter, printable name.", index: index)
    }
  }

  private func validateKeys() throws(PosternError) {
    for key in members.map(\.signing) + (uploaders + requesters).map(\.key) where !key.isUsable {
      throw PosternError(
        .charterKey, "The signing key \(key.bytes.hex) is none that a signature could verify under.",
        advice: "Paste the public line of a key that was made by “postern key new”.")
    }
    var seen: Set<[UInt8]> = []
    func add(_ key: [UInt8], of owner: String) throws(PosternError) {
      guard seen.insert(key).inserted else {
        throw PosternError(
          .charterKeyTwice, "A key of \(owner) stands in the charter twice.",
          advice: "Make a new key: one key serves one holder in one role.")
      }
    }
    for member in members {
      try add(member.signing.bytes, of: "member “\(member.name)”")
      try add(member.shard.bytes, of: "member “\(member.name)”")
      try add(member.veil.bytes, of: "member “\(member.name)”")
    }
    if let kms {
      try add(kms.shard.bytes, of: "the KMS door")
      try add(kms.veil.bytes, of: "the KMS door")
    }
    for uploader in uploaders { try add(uploader.key.bytes, of: "uploader “\(uploader.name)”") }
    for requester in requesters { try add(requester.key.bytes, of: "requester “\(requester.name)”") }
  }

  private func validatePolicyMembers() throws(PosternError) {
    let known = Set(members.map(\.shard))
    for policy in [recovery, governance].compactMap(\.self) {
      guard policy.members.allSatisfy(known.contains) else {
        throw PosternError(
          .charterStranger, "A policy names a shard key that belongs to no member of the charter.",
          advice: "Add the member, or take it out of the policy.")
      }
    }
  }

  private func validatePossession() throws(PosternError) {
    for (index, member) in members.enumerated() {
      guard (try? member.identity.verifyPossession()) != nil else {
        throw PosternError(
          .charterPossession, "Member “\(member.name)” has not proven that it holds its shard key.",
          advice: "Paste the member's public line again, whole and unchanged, its name included.", index: index)
      }
    }
    guard let kms else { return }
    guard (try? kms.identity.verifyPossession()) != nil else {
      throw PosternError(
        .charterPossession, "The KMS door comes without a proof that somebody holds its shard key.",
        advice: "Paste the KMS's public line again, whole and unchanged.")
    }
  }

  /// Refuses a charter that the loss of one member would freeze.
  ///
  /// - Throws: `charter.fragile`, naming the members.
  public func requireRedundancy() throws(PosternError) {
    let names = indispensableMembers.map(\.name)
    guard names.isEmpty else {
      throw PosternError(
        .charterFragile,
        "The loss of a single one of these members would freeze the application: "
          + names.joined(separator: ", ") + ".",
        advice: "Lower a threshold or add members; or say --allow-fragile if that is what you want.")
    }
  }
}
