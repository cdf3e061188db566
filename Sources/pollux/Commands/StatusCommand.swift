import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Shows how the daemon is.
struct StatusCommand: DaemonCommand {
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

    func reply(from client: LocalAPIClient) async throws -> Answer<StatusDocument> { try await client.status() }

    func lines(for status: StatusDocument, on terminal: Terminal) -> [String] {
        StatusCard(status: status).lines(on: terminal)
    }
}
