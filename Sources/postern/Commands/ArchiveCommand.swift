import ArgumentParser

/// `postern archive`.
struct ArchiveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "archive", abstract: "Set up an archive.", subcommands: [ArchiveInit.self])
}
