import ArgumentParser
import Client
import Core
import Records

/// `postern recovery`: what a recovering node does with the council.
struct RecoveryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recovery", abstract: "Recover through the council door.",
    subcommands: [RecoveryRequestCommand.self, RecoveryOpen.self])

  /// Where a request's secret lies if nobody says otherwise.
  static func secretPath(_ request: String) -> String { "\(request).secret" }
}

extension RecoveryRequestFile {
  /// Reads a request's file.
  static func read(_ path: String) throws(PosternError) -> RecoveryRequestFile {
    try NamedFile.read(path, byteCountLimit: textByteCountLimit) { (bytes) throws(PosternError) in
      try RecoveryRequestFile(parsing: bytes)
    }
  }

  /// Verifies a request that came as a file.
  ///
  /// A part that breaks a rule says what its author should do, which is no help to whoever was sent a damaged file.
  ///
  /// - Parameters:
  ///   - app: the application that is known from before.
  ///   - advice: what to do about a request that does not hold.
  /// - Throws: what ``RecoveryCase/init(verifying:app:)`` throws, in words about the request.
  func verified(app: Digest? = nil, advice: String) async throws(PosternError) -> RecoveryCase {
    do throws(PosternError) {
      return try await RecoveryCase(verifying: self, app: app)
    } catch {
      // These speak of the request already.
      guard ![.recoveryApplication, .recoveryRequester, .recoveryNoDoor].contains(error.code) else { throw error }
      throw PosternError(
        error.code, "The request is damaged or was made up: \(error.message)", advice: advice, index: error.index)
    }
  }
}
