import ArgumentParser
import Client
import Core
import Foundation

/// Where a client remembers what it saw.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The state folder, where this client remembers what it saw ($XDG_STATE_HOME/postern/APP where none is given).",
      valueName: "folder"))
  var state: String?

  /// The state folder of an application.
  ///
  /// - Throws: `state.location`.
  func path(_ app: Digest) throws(PosternError) -> String {
    if let state {
      try StateLocation.requireFolder(state)
      return state
    }
    return try StateLocation.path(app: app, environment: ProcessInfo.processInfo.environment)
  }

  /// What was seen of logs.
  func memory(_ app: Digest) throws(PosternError) -> CheckpointMemory {
    CheckpointMemory(folder: try path(app))
  }
}
