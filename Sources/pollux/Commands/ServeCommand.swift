import ArgumentParser
import Daemon

/// Runs the daemon.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the daemon.",
        discussion: """
            Runs in the foreground until SIGTERM or Ctrl-C, then lets requests in flight finish. No setting is required; \
            XHUOAPI_TOKEN (or XHUOAPI_TOKEN_FILE) gives it credentials. Flags override the environment, which \
            overrides pollux.yaml.

            Examples:
              XHUOAPI_TOKEN=… pollux serve
              pollux serve --state-dir ./state --log-level debug
            """)

    @Option(
        help: ArgumentHelp("Where the database is. Else POLLUX_STATE_DIR.", valueName: "directory"),
        completion: .directory)
    var stateDir: String?

    @Option(help: ArgumentHelp("Where to listen. Else POLLUX_SOCKET.", valueName: "path"), completion: .file())
    var socket: String?

    @Option(
        help: ArgumentHelp("The settings file. Else POLLUX_CONFIG.", valueName: "pollux.yaml"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(
        help: ArgumentHelp("trace, debug, info, warning or error.", valueName: "level"),
        completion: .list(["trace", "debug", "info", "warning", "error"]))
    var logLevel: String?

    @Flag(
        help: """
            Start with an empty database if the database of a used state directory is missing. Earlier tasks and \
            idempotency keys are lost then.
            """)
    var newDatabase = false

    @Flag(help: "Start without sending anything paid until pollux resume --all. Running tasks are tracked as usual.")
    var hold = false

    func run() async throws {
        let flags = DaemonFlags(
            stateDirectory: stateDir, socket: socket, settingsFile: config, logLevel: logLevel,
            newDatabase: newDatabase, hold: hold)
        try await Daemon.run(flags: flags, environment: ProcessEnvironment.variables, version: Version.current)
    }
}
