import ArgumentParser

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Take options from this TOML file; flags win. A table for each command, such as: [push] key = \"node.key\"",
      valueName: "file"))
  var config: String?
}
