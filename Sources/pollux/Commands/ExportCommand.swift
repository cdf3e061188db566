import ArgumentParser
import Daemon

/// Moves the tasks of a SQLite store to PostgreSQL.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Move all tasks to an empty PostgreSQL database.",
        discussion: """
            Stop the daemon first. All tasks, keys, records, the log and the ledger are copied in one transaction, read again and \
            compared. Afterwards set `store` to the same address and start the daemon. The old database stays as it was, but \
            a daemon that starts on it sends nothing paid. Run the command again if it was interrupted: it tells whether \
            the tasks were moved.

            Example:
              pollux export --to postgres://pollux@db.example.org/pollux
            """)

    @Option(help: ArgumentHelp("The address, as in the setting `store`.", valueName: "address"))
    var to: String

    @Option(
        help: ArgumentHelp("Where the SQLite database is. Else POLLUX_STATE_DIR.", valueName: "directory"),
        completion: .directory)
    var stateDir: String?

    @Option(
        help: ArgumentHelp("The settings file. Else POLLUX_CONFIG.", valueName: "pollux.yaml"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    func run() async throws {
        let report = try await Daemon.export(
            to: to, flags: DaemonFlags(stateDirectory: stateDir, settingsFile: config),
            environment: ProcessEnvironment.variables)
        let what = "\(report.tasks) task(s), \(report.lines) line(s) of the log, \(report.rows) row(s) in all"
        print(
            report.wasMovedBefore
                ? "They were moved before, and nothing differs: \(what) in \(report.place)."
                : "Moved and compared: \(what) to \(report.place).")
        print("Set `store` to that address before the next start.")
    }
}
