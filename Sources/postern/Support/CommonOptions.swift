import ArgumentParser

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Take options from this TOML file; flags win. A table for each command, such as: [push] key = \"node.key\"",
      valueName: "file"))
  var config: String?

  /// The option as it was given, with a space in front, to be put into a command that is shown.
  var words: String { config.map { " --config \($0)" } ?? "" }
}
