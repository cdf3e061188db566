import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import Synchronization
import Text
import UnixSignals
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Prints the events of the log when they arrive.
struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Print events as they happen, until Ctrl-C.",
        discussion: """
            Without --after it begins now. A terminal shows a table, a pipe gets a JSON document per line. If the daemon \
            goes away, the command waits for it and continues after the last event: nothing is missed or repeated.

            Examples:
              pollux follow --label batch=7
              pollux follow --state succeeded,failed --include results | jq -r '.task.results[].value'
              pollux follow --after 0 --endpoint suno/audios
            """)

    @Argument(help: ArgumentHelp("Only these tasks: ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String] = []

    @Option(
        help: ArgumentHelp("Only events that lead to these states, separated by commas.", valueName: "states"),
        completion: .list(TaskDocument.states))
    var state: [String] = []

    @Option(help: ArgumentHelp("Only these endpoints, separated by commas.", valueName: "endpoints"))
    var endpoint: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Only tasks with this label. May be repeated.", valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(help: ArgumentHelp("Begin after the event with this id; 0 for the oldest.", valueName: "id"))
    var after: String?

    @Option(
        help: ArgumentHelp(
            "Send tasks with request, response or results, separated by commas.", valueName: "payloads"))
    var include: [String] = []

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws { try ListCommand.check(states: state) }

    func run() async throws {
        let query = EventQuery(
            tasks: ids, endpoints: ListCommand.parts(endpoint), states: ListCommand.parts(state),
            labels: try LabelArgument.dictionary(label), included: ListCommand.parts(include))
        let place = StreamPlace(after: after)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await Session.open(options) { session in
            let printer = EventPrinter(isTable: session.terminal.isTerminal && !session.printsJSON)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await session.client.followOverRestarts(query, from: place, onAway: printer.noteAway) {
                            item in
                            try printer.take(item)
                            return true
                        }
                    } catch LocalAPIClientError.problem(let problem) where problem.code == ProblemCode.noSuchRoute {
                        throw RefusedInput(
                            message: "The daemon has an older version without event streams. Restart it."
                        )
                    }
                }
                group.addTask { for await _ in signals { break } }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }
}

/// Prints the items of a stream, and messages about the connection on standard error.
private final class EventPrinter: Sendable {
    private let isTable: Bool
    private let state = Mutex((hasHeading: false, isAway: false))

    init(isTable: Bool) {
        self.isTable = isTable
    }

    func noteAway(_ reason: LocalAPIClientError?) {
        let wasAway = state.withLock { state in
            defer { state.isAway = true }
            return state.isAway
        }
        if !wasAway { StandardError.write("The connection to the daemon has ended. Waiting for it to come back.\n") }
    }

    func take(_ item: StreamItem) throws {
        switch item {
        case .opened:
            let wasAway = state.withLock { state in
                defer { state.isAway = false }
                return state.isAway
            }
            if wasAway { StandardError.write("Connected again; continuing after the last event.\n") }
        case .event(let document, let json): try print(document, json)
        case .caughtUp: break
        case .reset(let document): StandardError.write(Self.words(for: document) + "\n")
        }
    }

    private func print(_ document: StreamEventDocument, _ json: JSONValue) throws {
        guard isTable else { return try StandardOutput.write(json.printableText + "\n") }
        // Read each time, because people resize their terminals.
        let terminal = Terminal.ofStandardOutput(environment: ProcessEnvironment.variables)
        let isFirst = state.withLock { state in
            defer { state.hasHeading = true }
            return !state.hasHeading
        }
        let lines =
            (isFirst ? [StreamTable.heading(on: terminal)] : []) + [StreamTable.line(for: document, on: terminal)]
        try StandardOutput.write(lines.joined(separator: "\n") + "\n")
    }

    private static func words(for reset: StreamControlDocument) -> String {
        let why =
            switch reset.reason {
            case "pruned": "Events after that place were removed (retention)."
            case "restored": "The database was restored from a copy since then."
            default: "That place belongs to another database."
            }
        let newest = reset.newest.map { " after \($0.printable)" } ?? ""
        return "Events may be missing: \(why) Continuing\(newest); `pollux list` shows the current tasks."
    }
}
