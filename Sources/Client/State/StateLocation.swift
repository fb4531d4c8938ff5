public import Core
import Glibc

/// Where a client keeps what it has to remember of an application.
public enum StateLocation {
  /// The folder of an application: `$XDG_STATE_HOME/postern/APP`, in `~/.local/state` where that is not set.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - environment: the process's environment.
  /// - Throws: `state.location` when there is no home either.
  public static func path(app: Digest, environment: [String: String]) throws(PosternError) -> String {
    "\(try base(environment))/postern/\(app.hex)"
  }

  /// Refuses a name that is taken by something else than a folder; one that is not there yet is fine.
  ///
  /// - Throws: `state.location`.
  public static func requireFolder(_ path: String) throws(PosternError) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { return }
    throw PosternError(
      .stateLocation, "“\(path)” is to be the state folder, and is a file.", advice: "Name a folder with --state.")
  }

  private static func base(_ environment: [String: String]) throws(PosternError) -> String {
    // The XDG specification has relative paths ignored.
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return state }
    if let home = environment["HOME"], home.hasPrefix("/") { return "\(home)/.local/state" }
    throw PosternError(
      .stateLocation, "Neither XDG_STATE_HOME nor HOME says where the client's state is to be kept.",
      advice: "Set one of them to an absolute path, or name a folder with --state.")
  }
}
