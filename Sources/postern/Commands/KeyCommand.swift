import ArgumentParser

/// `postern key`.
struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Make keys and show their public halves.", subcommands: [KeyNew.self, KeyShow.self])
}
