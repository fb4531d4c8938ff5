import ArgumentParser

/// `postern council`: what members do.
struct CouncilCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "council", abstract: "Answer a recovery as a member, and judge answers.",
    subcommands: [CouncilRelease.self, CouncilJudge.self])
}
