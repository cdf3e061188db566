import ArgumentParser
import LocalAPIClient

/// Shows how the daemon is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how the daemon is.",
        discussion: """
            Exits 69 if none runs.

            Examples:
              pollux status
              pollux status --json | jq .tasks
            """)

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            let answer = try await session.client.status()
            try session.show(answer.json) { StatusCard(status: answer.document).lines(on: session.terminal) }
        }
    }
}
