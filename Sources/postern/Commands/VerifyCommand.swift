import ArgumentParser

/// `postern verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check receipts and epochs, without a key.",
    subcommands: [VerifyReceipt.self, VerifyEpoch.self])
}
