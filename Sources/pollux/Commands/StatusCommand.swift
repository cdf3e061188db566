import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Shows the state of the daemon.
struct StatusCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the state of the daemon.",
        discussion: """
            Exits 69 if no daemon runs.

            Examples:
              pollux status
              pollux status --json | jq .tasks
            """)

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<StatusDocument> { try await client.status() }

    func lines(for status: StatusDocument, on terminal: Terminal) -> [String] {
        StatusCard(status: status).lines(on: terminal)
    }
}
