import ArgumentParser
import CLinux
import Client
import Core
import Glibc

/// The program: its commands, and how what went wrong becomes a sentence and an exit code.
@main
struct Postern: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "postern",
    abstract: "A public archive for the sealed state dumps of TEE applications.",
    discussion: """
      A dump has two doors: one that a key-management service opens, one that enough council members open. \
      The archive holds no key.
      """,
    version: Version.text,
    subcommands: [
      KeyCommand.self, ArchiveCommand.self, Serve.self, CharterCommand.self, Push.self, Pull.self, List.self,
      Latest.self,
      Show.self, Recover.self, RecoveryCommand.self, CouncilCommand.self, VerifyCommand.self, ConformanceCommand.self,
    ])

  /// How many freed bytes the allocator keeps.
  private static let keptByteCount = 64 << 20

  static func main() async {
    guard StandardDescriptors.occupy() else { Glibc.exit(ExitStatus.refused.rawValue) }
    // Buffers of a megabyte come and go; the allocator shall keep their pages.
    clinux_keep_freed_memory(keptByteCount)
    _ = signal(SIGPIPE, SIG_IGN)
    var config: ConfigFile?
    do {
      let arguments = Array(CommandLine.arguments.dropFirst())
      try requireNoneEmpty(arguments)
      try requireCommand(arguments)
      config = try ConfigFile(completing: arguments)
      var command = try parseAsRoot(config?.arguments ?? arguments)
      // A client runs beside an application, whose memory it shall not take; a server has as many threads at work as
      // cores.
      clinux_limit_memory_stores(command is Serve ? CInt(clamping: sysconf(Int32(_SC_NPROCESSORS_ONLN))) : 1)
      if !(command is Serve) {
        // A server ends by itself, after the calls that are under way.
        Interruption.watch(saying: (type(of: command) as? any Interruptible.Type)?.interrupted)
      }
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let error as PosternError {
      Console.note("postern: \(error)")
      Glibc.exit(ExitStatus(error).rawValue)
    } catch {
      if exitCode(for: error) == .validationFailure, let remark = config?.remark(on: message(for: error)) {
        Console.note(remark)
      }
      // Usage, help and version are the parser's to print.
      exit(withError: error)
    }
  }
}

extension Postern {
  /// Refuses an empty argument, which is none that any command takes: most often a script's variable that is not set.
  private static func requireNoneEmpty(_ arguments: [String]) throws {
    guard let index = arguments.firstIndex(of: "") else { return }
    let place =
      index > 0 && arguments[index - 1].hasPrefix("--") ? "after \(arguments[index - 1])" : "number \(index + 1)"
    throw ValidationError("The argument \(place) is empty. In a script, look whether its variable is set.")
  }
}

extension Postern {
  /// Refuses a word where a command has to stand and that is none: the parser would speak of an argument too many.
  private static func requireCommand(_ arguments: [String]) throws {
    var words = ["postern"]
    var commands = configuration.subcommands
    for argument in arguments {
      guard !commands.isEmpty, !argument.hasPrefix("-"), argument != "help" else { return }
      guard let command = commands.first(where: { $0.configuration.commandName == argument }) else {
        let group = words.joined(separator: " ")
        throw ValidationError("“\(argument)” is no command of “\(group)”: “\(group) --help” names them.")
      }
      words.append(argument)
      commands = command.configuration.subcommands
    }
  }
}

/// What a command's exit code says; of usage errors all but malformed addresses are the parser's to find.
enum ExitStatus: Int32 {
  /// Refused, or it could not be done.
  case refused = 1
  /// A log shows two histories, or less than before.
  case fork = 3
  /// An address that is none: the parser's own code for wrong usage.
  case usage = 64

  /// The code of an error.
  init(_ error: PosternError) {
    switch error.code {
    case .logFork, .logRollback, .viewRolledBack: self = .fork
    case .addressMalformed: self = .usage
    default: self = .refused
    }
  }
}
