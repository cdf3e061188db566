import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Submits ended tasks again.
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Submit ended tasks again as new tasks, which are paid for again.",
        discussion: """
            Asks on the terminal before anything is submitted; scripts use --yes. Prints the ids of the new tasks. \
            Repeating the command after an interruption submits nothing twice. With --state, tasks that were retried \
            before are omitted.

            Examples:
              pollux retry 019ab0c2
              pollux retry --state failed --label batch=7
              pollux wait $(pollux retry --state failed,expired --created-after 2h --yes)
            """)

    @Argument(help: ArgumentHelp("Ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String] = []

    @Option(
        help: ArgumentHelp("All tasks in these states: failed, cancelled, expired.", valueName: "states"),
        completion: .list(RetrySelection.states))
    var state: [String] = []

    @Option(help: ArgumentHelp("With --state: only these endpoints, separated by commas.", valueName: "endpoints"))
    var endpoint: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("With --state: only tasks with this label. May be repeated.", valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(
        help: ArgumentHelp("With --state: RFC 3339, a day, or a duration such as 2h.", valueName: "time"),
        transform: TimeArgument.past)
    var createdAfter: TimeArgument?

    @Option(help: "The number of the retry, if the task was retried before.")
    var number = 1

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        let states = Self.parts(state)
        guard ids.isEmpty != states.isEmpty else {
            throw ValidationError("Give either IDs or --state STATES, as in --state failed.")
        }
        if let other = states.first(where: { !RetrySelection.states.contains($0) }) {
            throw ValidationError(
                "--state takes \(RetrySelection.states.joined(separator: ", ")), not '\(other)'. Name other ended tasks by their ids."
            )
        }
        guard !states.isEmpty || (endpoint.isEmpty && label.isEmpty && createdAfter == nil) else {
            throw ValidationError("--endpoint, --label and --created-after select among --state STATES, not among IDs.")
        }
        guard (1...1_000).contains(number), number == 1 || states.isEmpty else {
            throw ValidationError("--number is 1 to 1000, and only for IDs.")
        }
    }

    func run() async throws {
        guard yes || (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) else {
            throw ValidationError("Each retry is paid for again, and there is no terminal to ask on. Use --yes.")
        }
        try await Session.open(options) { session in
            let selection = try await selection(from: session.client)
            for line in selection.leftOut { StandardError.write(line + "\n") }
            guard !selection.tasks.isEmpty else {
                StandardError.write("There is no task to retry.\n")
                return
            }
            guard yes || Self.confirm(selection.question) else {
                StandardError.write("Nothing was submitted.\n")
                throw ExitStatus.unsuccessful
            }
            try await retry(selection.tasks, in: session)
        }
    }

    private func selection(from client: LocalAPIClient) async throws -> RetrySelection {
        guard ids.isEmpty else {
            var tasks: [TaskDocument] = []
            for id in ids { tasks.append(try await client.task(id).document) }
            return RetrySelection(named: tasks)
        }
        var query = TaskQuery(
            states: Self.parts(state), endpoints: Self.parts(endpoint), labels: try LabelArgument.dictionary(label),
            createdAfter: createdAfter?.text(now: Date()), limit: 500)
        query.isRetried = false
        var tasks: [TaskDocument] = []
        repeat {
            let page = try await client.tasks(query).document
            tasks += page.tasks
            query.cursor = page.nextCursor
        } while query.cursor != nil
        return RetrySelection(found: tasks)
    }

    /// Retries tasks in order. A rejected task does not prevent the retries of the others.
    private func retry(_ tasks: [TaskDocument], in session: Session) async throws {
        var made: [Answer<TaskDocument>] = []
        var failure: (any Error)?
        for task in tasks {
            do throws(LocalAPIClientError) {
                let retry = try await session.client.retryOnce(task.id, number: number)
                made.append(retry)
                if retry.status == 200 { StandardError.write(Self.note(on: retry.document, of: task) + "\n") }
            } catch .problem(let problem) where (400..<500).contains(problem.status) {
                StandardError.write("pollux: \(task.id.printable): \(problem.detail.printable)\n")
                failure = problem.status == 404 ? ExitStatus.notFound : .refused
            } catch {
                failure = error
                break
            }
        }
        try session.show(["tasks": .array(made.map(\.json)), "next_cursor": nil]) {
            made.map { $0.document.id.printable }
        }
        if let failure { throw failure }
    }

    private static func note(on retry: TaskDocument, of task: TaskDocument) -> String {
        "Task \(task.id.printable) has the retry \(retry.id.printable) (\(retry.stateWords)); nothing more was submitted."
            + (retry.hasEnded && retry.state != "succeeded"
                ? " Retry that one: pollux retry \(retry.id.printable)" : "")
    }

    /// Asks on standard error, so that standard output has only ids.
    private static func confirm(_ question: String) -> Bool {
        StandardError.write(question + " [y/N] ")
        return ["y", "yes"].contains((readLine() ?? "").lowercased())
    }

    private static func parts(_ lists: [String]) -> [String] {
        lists.flatMap { $0.split(separator: ",").map(String.init) }
    }
}

/// The tasks that a command would retry, and those it omits.
struct RetrySelection {
    /// The states that can be selected as a whole. A success is retried only by its id.
    static let states = TaskDocument.endedStates.filter { $0 != "succeeded" }

    let tasks: [TaskDocument]
    /// Sentences about omitted tasks.
    let leftOut: [String]

    /// Selects tasks that were named by their ids, each once. The daemon says why it rejects one.
    init(named tasks: [TaskDocument]) {
        var known: Set<String> = []
        self.tasks = tasks.filter { known.insert($0.id).inserted }
        leftOut = []
    }

    /// Selects tasks that were found by their state, oldest first.
    init(found tasks: [TaskDocument]) {
        let lost = tasks.count { $0.error?.code == "submission_lost" }
        let unknown = tasks.count { $0.request.isNull }
        self.tasks = tasks.filter { $0.error?.code != "submission_lost" && !$0.request.isNull }.reversed()
        var lines: [String] = []
        if lost > 0 {
            lines.append(
                "Left out: \(Self.count(lost)) whose submission has an unknown outcome. The provider may have accepted it (`pollux help resolve`)."
            )
        }
        if unknown > 0 { lines.append("Left out: \(Self.count(unknown)) submitted elsewhere, without a request here.") }
        leftOut = lines
    }

    /// The question that the user must confirm.
    var question: String {
        tasks.count == 1
            ? "1 task is submitted again and paid for again. Go on?"
            : "\(tasks.count) tasks are submitted again, and each is paid for again. Go on?"
    }

    private static func count(_ number: Int) -> String { number == 1 ? "1 task" : "\(number) tasks" }
}
