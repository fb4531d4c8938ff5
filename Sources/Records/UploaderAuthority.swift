public import Core
public import Sodium

extension Charter {
  /// The uploader with a key; nil where the charter lists none.
  public func uploader(with key: VerificationKey) -> Node? {
    uploaders.first { $0.key == key }
  }

  /// Says that a key may push: asked by whoever pushes, and by the archive when a push begins.
  ///
  /// - Throws: `push.not-an-uploader`.
  public func requireUploader(_ key: VerificationKey) throws(PosternError) {
    guard uploader(with: key) != nil else {
      throw PosternError(
        .beginAuthor, "The charter lists no uploader with this key.",
        advice: "Use the key of an uploader that it lists. A charter cannot be changed in this version: another "
          + "uploader needs a new charter, which is a new application.")
    }
  }
}

extension Record {
  /// The fields of an epoch's record, after all of it that can be judged without its bodies.
  ///
  /// That is its kind, its application, its signature, the charter that it was made under, and its author.
  ///
  /// - Parameters:
  ///   - app: the application that it has to be of.
  ///   - charter: that application's charter in force.
  /// - Throws: `record.not-the-epoch` for another kind of record or another application's; `record.signature`,
  ///   `charter.superseded`; `record.author` when the charter lists no such uploader.
  public func verifiedEpoch(of app: Digest, under charter: Charter) throws(PosternError) -> EpochFields {
    guard case .epoch(let fields) = fields, self.app == app else {
      throw PosternError(
        .recordOther, "The record is not an epoch's of this application.", advice: "Ask its sender for the right one.")
    }
    try verifySignature()
    guard charter.digest == fields.charter else { throw .superseded }
    guard author.role == .uploader, charter.uploader(with: author.key) != nil else {
      throw PosternError(
        .recordAuthor, "The epoch is not signed by an uploader that the charter lists.",
        advice: "Push with the key of a listed uploader; an archive that shows such an epoch is not to be relied on.")
    }
    return fields
  }
}
