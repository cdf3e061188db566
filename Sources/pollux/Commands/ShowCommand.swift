import ArgumentParser
import VerbatimJSON
import LocalAPIClient
import LocalAPIContract

/// Shows one task.
struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a task: its state, request and results.",
        discussion: """
            Each result is on its own line: address, text or id. --json has them under "results", with kind, media type \
            and place in the record. --response prints only that record, unchanged.

            Examples:
              pollux show 019ab0c2
              pollux show 019ab0c2 --events
              pollux show 019ab0c2 --json | jq -r '.results[] | select(.kind == "url") | .value'
              pollux show 019ab0c2 --response | jq -r '.response.data[].title'
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @Flag(help: "Also show its log.")
    var events = false

    @Flag(help: "Print only the provider's record, as JSON.")
    var response = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        if events, response { throw ValidationError("--events and --response exclude each other.") }
    }

    func run() async throws {
        try await Session.open(options) { session in
            let answer = try await session.client.task(id)
            let task = answer.document
            if response {
                if let removed = task.removed, removed.response {
                    throw RefusedInput(message: "The record of this task was removed on \(removed.at).")
                }
                let text = session.terminal.isTerminal ? task.response.printablePrettyText : task.response.printableText
                return try StandardOutput.write(text + "\n")
            }
            guard events else {
                return try session.show(answer.json) {
                    TaskCard(task: task, now: session.terminal.now).lines(on: session.terminal)
                }
            }
            let log = try await session.client.events(task.id)
            guard !session.printsJSON else { return try session.show(log.json) { [] } }
            try session.show(answer.json) {
                TaskCard(task: task, now: session.terminal.now).lines(on: session.terminal) + [""]
                    + EventTable.lines(for: log.document, on: session.terminal)
            }
        }
    }
}
