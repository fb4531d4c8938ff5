import Core
import Records

/// What a key is for: one key serves one holder in one role.
public enum HolderRole: String, Sendable, CaseIterable {
  /// A council member.
  case member
  /// A node that pushes.
  case uploader
  /// A node that may ask the council to open an epoch.
  case requester
  /// The key-management service, or whoever provisions its secret.
  case kms

  /// The role with its article, in a sentence.
  var withArticle: String {
    switch self {
    case .member, .requester: "a \(rawValue)"
    case .uploader: "an uploader"
    case .kms: "a KMS"
    }
  }

  /// Refuses a name that no charter would take.
  ///
  /// - Throws: `key.name`.
  static func check(name: String) throws(PosternError) {
    guard Charter.isName(name) else {
      throw PosternError(
        .keyName, "The name is empty, longer than \(Charter.Limits.nameByteCount) bytes, or holds control characters.",
        advice: "Choose a shorter, printable name.")
    }
  }
}
