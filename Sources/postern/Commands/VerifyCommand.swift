import ArgumentParser

/// `postern verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check proofs offline.", subcommands: [VerifyReceipt.self])
}
