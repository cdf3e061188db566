import ArgumentParser
import Daemon
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Checks the daemon and its surroundings.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check the daemon, its settings, files, accounts and listeners.",
        discussion: """
            Each trouble says what is wrong, what that means, and what to do. It sends one free request for each account \
            and a test to each destination of notifications, nothing paid. Without a running daemon it checks settings, \
            files, disks and the database.

            Exits 1 if there is a trouble.

            Examples:
              pollux doctor
              pollux doctor --json | jq '.checks[] | select(.result == "trouble")'
            """)

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        let environment = ProcessEnvironment.variables
        let terminal = Terminal.ofStandardOutput(environment: environment)
        let document = try await document(environment)
        let lines =
            options.json
            ? [terminal.isTerminal ? document.json.printablePrettyText : document.json.printableText]
            : DoctorReport(document).lines
        try StandardOutput.write(lines.joined(separator: "\n") + "\n")
        if document.troubles > 0 { throw ExitStatus.unsuccessful }
    }

    private func document(_ environment: [String: String]) async throws -> DoctorDocument {
        func alone(_ first: DoctorDocument.Check) async -> DoctorDocument {
            let rest = await Daemon.examine(flags: DaemonFlags(socket: options.socket), environment: environment)
            return DoctorDocument(checks: [first] + rest.checks)
        }
        let path: String
        do {
            path = try SocketLocation(option: options.socket, environment: environment).path
        } catch is DaemonError {
            // The settings that name the socket cannot be read, which the checks say.
            return await alone(
                DoctorDocument.Check(
                    check: "daemon", subject: nil, result: "unchecked",
                    message: "The daemon was not asked, because the settings that name its socket cannot be read."))
        }
        do {
            return try await LocalAPIClient.with(socketPath: path, patience: .zero) { client in
                try await client.doctor().document
            }
        } catch LocalAPIClientError.noDaemon(_, let reason) {
            return await alone(
                DoctorDocument.Check(
                    check: "daemon", subject: path, result: "trouble",
                    message:
                        "No daemon answers there: \(reason). No task is sent or polled; nothing is lost. Start it: pollux serve."
                ))
        }
    }
}
