import Archive
package import Core
package import Logging

extension PosternError {
  /// The error as a peer is told it: with its code, and without a word about the server's files.
  ///
  /// What the archive's operator needs to know beyond that is written to the server's log.
  package func forPeers(_ logger: Logger) -> PosternError {
    let area = code.rawValue.prefix { $0 != "." }
    let isStorages = ["storage", "pack", "index"].contains(area)
    guard isStorages || code == .pushRotten else { return self }
    logger.error("a request was refused", metadata: ["error": "\(self)"])
    // It says what the uploader can do, and nothing of the server's files.
    guard isStorages else { return self }
    guard code == .storageFull else {
      return PosternError(
        code, "The archive's storage failed this request.",
        advice: "Try again; if that does not help, tell the archive's operator, whose log has the particulars. Copies "
          + "and mirrors have the same epochs (“--from”), and a push with “--next-generation” needs nothing of it.",
        index: index)
    }
    return PosternError(
      code, "The archive's disk is full. What it has acknowledged is kept; what this request brought is not.",
      advice: "Tell the archive's operator and try again later. A push that is run again sends at most "
        + "the last \(ArchiveLimits.notedByteCount >> 20) MiB twice.",
      index: index)
  }
}
