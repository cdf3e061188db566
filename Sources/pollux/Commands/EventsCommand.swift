import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Shows a task's log.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show the log of a task, oldest first.",
        discussion: """
            Every change of state is one line, with what led to it.

            Examples:
              pollux events 019ab0c2
              pollux events 019ab0c2 --json | jq -c '.events[]'
            """)

    @Argument(help: "The id, or any unique beginning of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            let log = try await session.client.events(id)
            try session.show(log.json) {
                EventTable.table(log.document.events, now: session.terminal.now).lines(on: session.terminal)
            }
        }
    }
}
