import ArgumentParser
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Waits for tasks to end.
struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until tasks have ended, then print how, with their results.",
        discussion: """
            Exits 0 if all succeeded, 1 if any did not, 75 if the timeout came first. The tasks continue in any case. \
            A restart of the daemon does not end the wait.

            Examples:
              pollux wait 019ab0c2
              pollux wait $(pollux submit --batch songs.jsonl) --timeout 30m
            """)

    @Argument(help: ArgumentHelp("Ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String]

    @Option(
        help: ArgumentHelp("The longest wait, as 90, 90s, 10m.", valueName: "duration"),
        transform: DurationArgument.parse)
    var timeout: Duration?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            // All are looked up first, so that a mistyped id is reported at once.
            var started: [Answer<TaskDocument>] = []
            for id in ids { started.append(try await session.client.task(id)) }
            let ended = try await TaskWaiter(client: session.client, timeout: timeout).wait(for: started)
            let json: JSONValue =
                ended.count == 1 ? ended[0].json : ["tasks": .array(ended.map(\.json)), "next_cursor": nil]
            let documents = ended.map(\.document)
            try session.show(json) { WaitOutcome.lines(for: documents, on: session.terminal) }
            let status = WaitOutcome.status(of: documents)
            if status != .done { throw status }
        }
    }
}
