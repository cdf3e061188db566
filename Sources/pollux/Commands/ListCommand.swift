import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import Text
import VerbatimJSON

/// Lists tasks.
struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List tasks, newest first.",
        discussion: """
            Prints one page, or all with --all. In a pipe, nothing is cut or coloured.

            Examples:
              pollux list --state running,uncertain
              pollux list --endpoint suno/audios --created-after 2h --label batch=7
              pollux list --all --json | jq -r '.tasks[] | select(.partial) | .id'
            """)

    @Option(
        help: ArgumentHelp("Only these states, separated by commas.", valueName: "states"),
        completion: .list(TaskDocument.states))
    var state: [String] = []

    @Option(help: ArgumentHelp("Only these endpoints, separated by commas.", valueName: "endpoints"))
    var endpoint: [String] = []

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("May be repeated.", valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(
        help: ArgumentHelp("RFC 3339, a day, or a duration such as 2h for two hours ago.", valueName: "time"),
        transform: TimeArgument.past)
    var createdAfter: TimeArgument?

    @Option(
        help: ArgumentHelp("RFC 3339, a day, or a duration such as 2h for two hours ago.", valueName: "time"),
        transform: TimeArgument.past)
    var createdBefore: TimeArgument?

    @Option(help: "The tasks on a page.")
    var limit: Int?

    @Option(help: "The next_cursor of the page before.")
    var cursor: String?

    @Flag(help: "All pages.")
    var all = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        try Self.check(states: state)
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1.") }
    }

    func run() async throws {
        let now = Date()
        var query = TaskQuery(
            states: Self.parts(state), endpoints: Self.parts(endpoint), labels: try LabelArgument.dictionary(label),
            createdAfter: createdAfter?.text(now: now), createdBefore: createdBefore?.text(now: now),
            limit: limit, cursor: cursor)
        try await Session.open(options) { session in
            var page = try await session.client.tasks(query)
            guard all else { return try print(page, in: session) }
            var tasks = page.json["tasks"]?.array ?? []
            var documents = page.document.tasks
            while let next = page.document.nextCursor {
                query.cursor = next
                page = try await session.client.tasks(query)
                tasks += page.json["tasks"]?.array ?? []
                documents += page.document.tasks
            }
            let json: JSONValue = ["tasks": .array(tasks), "next_cursor": nil]
            try print(Answer(status: 200, json: json, document: TaskPage(tasks: documents)), in: session)
        }
    }

    private func print(_ page: Answer<TaskPage>, in session: Session) throws {
        try session.show(page.json) {
            TaskTable.table(page.document.tasks, now: session.terminal.now).lines(on: session.terminal)
        }
        guard session.terminal.isTerminal, !session.printsJSON else { return }
        if page.document.tasks.isEmpty { StandardError.write("No tasks.\n") }
        if let next = page.document.nextCursor {
            StandardError.write("More tasks: --cursor \(next.printable), or --all.\n")
        }
    }

    /// The words of comma-separated lists.
    static func parts(_ lists: [String]) -> [String] {
        lists.flatMap { $0.split(separator: ",").map(String.init) }
    }

    /// Rejects a list with an unknown state.
    static func check(states lists: [String]) throws {
        for state in parts(lists) where !TaskDocument.states.contains(state) {
            let nearest = NearestName.of(state, among: TaskDocument.states).map { " Did you mean '\($0)'?" }
            throw ValidationError(
                "There is no state '\(state)'.\(nearest ?? " There are \(TaskDocument.states.joined(separator: ", ")).")"
            )
        }
    }
}
