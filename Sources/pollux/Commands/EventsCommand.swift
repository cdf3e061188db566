import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Shows a task's log.
struct EventsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show the log of a task, oldest first.",
        discussion: """
            Each event is one line: its time, the change of state and the details.

            Examples:
              pollux events 019ab0c2
              pollux events 019ab0c2 --json | jq -c '.events[]'
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<EventPage> { try await client.events(id) }

    func lines(for log: EventPage, on terminal: Terminal) -> [String] {
        EventTable.lines(for: log, on: terminal)
    }
}
