import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Submits a task or a file of tasks.
struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Submit a task and print its id.",
        discussion: """
            The daemon stores the task before this command ends, then sends it to the provider once. Only the id is \
            printed, so $(pollux submit …) works; with --wait, the results follow.

            With --batch, each line of the file is one submission: \
            {"endpoint": …, "request": {…}, "labels": {…}}. One line is printed per line that is not blank, in order. A bad line \
            fails alone, prints an empty line and is reported on standard error.

            Examples:
              pollux submit suno/audios -d prompt='tin roof' -d instrumental:=true
              pollux submit veo/videos --json-body @shot.json -d seed:=7 --label film=dawn
              pollux submit midjourney/imagine -d prompt=fox --wait --timeout 10m
              pollux submit flux/images -d prompt=fox --key order-4711 --deadline +2h
              pollux submit --batch songs.jsonl --label batch=7
            """)

    @Argument(help: ArgumentHelp("The endpoint, as service/operation.", valueName: "endpoint"))
    var endpoint: String?

    /// Accepted only to give a better message than the parser's.
    @Argument(help: .hidden)
    var strays: [String] = []

    @Option(
        name: [.customShort("d"), .customLong("data")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A field of the request: name=text, or name:=JSON. May be repeated.", valueName: "name=text"),
        transform: RequestItem.init)
    var data: [RequestItem] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The whole request: JSON, @file, or - for standard input. -d is added to it.", valueName: "json|@file|-"))
    var jsonBody: String?

    @Option(
        help: ArgumentHelp(
            "Makes the submission repeatable: the same key and body give the same task.", valueName: "key"))
    var key: String?

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("May be repeated.", valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(parsing: .unconditional, help: "-1000 to 1000; higher goes first.")
    var priority: Int?

    @Option(
        help: ArgumentHelp("Do not send it before: RFC 3339, or +2h.", valueName: "time"),
        transform: TimeArgument.future)
    var notBefore: TimeArgument?

    @Option(
        help: ArgumentHelp("Stop tracking it at: RFC 3339, or +2h.", valueName: "time"),
        transform: TimeArgument.future)
    var deadline: TimeArgument?

    @Option(
        help: ArgumentHelp(
            "What to do if the provider may or may not have accepted it: hold, resubmit_if_absent or fail.",
            valueName: "policy"),
        completion: .list(EnvelopeRules.uncertainPolicies))
    var onUncertain: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("A free text that is shown with the task, up to 200 characters.", valueName: "text"))
    var note: String?

    @Flag(help: "Do not keep the files of its results on disk. `pollux fetch` still has them fetched.")
    var noCapture = false
    @Option(
        help: ArgumentHelp(
            "A destination of the settings to notify of it in any case, or an https address where they allow it.",
            valueName: "destination"))
    var notify: String?

    @Option(help: ArgumentHelp("Submit every line of a file; - for standard input.", valueName: "file.jsonl|-"))
    var batch: String?

    @Flag(help: "Wait until it has ended; the exit code is its outcome.")
    var wait = false

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("With --wait: copy the files of its results into this directory.", valueName: "dir"))
    var output: String?

    @Option(
        help: ArgumentHelp("The longest wait with --wait, as 90, 90s, 10m.", valueName: "duration"),
        transform: DurationArgument.parse)
    var timeout: Duration?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        if let stray = strays.first {
            let hint = stray.contains("=") ? " A field of the request follows -d, as in: -d '\(stray)'" : ""
            throw ValidationError("Unexpected argument \"\(stray)\".\(hint)")
        }
        if batch != nil {
            guard endpoint == nil, data.isEmpty, jsonBody == nil, key == nil, !wait else {
                throw ValidationError(
                    "--batch takes submissions from the file: leave out ENDPOINT, -d, --json-body, --key and --wait.")
            }
        } else if endpoint == nil {
            throw ValidationError("Name the endpoint, as in: pollux submit suno/audios -d prompt=rain")
        }
        if timeout != nil, !wait { throw ValidationError("--timeout needs --wait.") }
        if output != nil, !wait { throw ValidationError("-o needs --wait.") }
        if let onUncertain, !EnvelopeRules.uncertainPolicies.contains(onUncertain) {
            throw ValidationError("--on-uncertain must be hold, resubmit_if_absent or fail.")
        }
    }

    func run() async throws {
        if let batch {
            return try await Batch(source: batch, defaults: document(endpoint: "", request: [:])).run(options)
        }
        let body = try jsonBody.map { try InputText.object($0, option: "--json-body") } ?? JSONObject()
        let request = JSONValue.object(try RequestItem.merge(data, into: body))
        let document = try document(endpoint: endpoint ?? "", request: request)
        try await Session.open(options) { session in
            let answer = try await session.client.submitOnce(document)
            guard wait else {
                return try session.show(answer.json) { [answer.document.id.printable] }
            }
            if !session.printsJSON { try StandardOutput.write(answer.document.id.printable + "\n") }
            let deadline = timeout.map { ContinuousClock.now + $0 }
            let ended = try await TaskWaiter(client: session.client, timeout: timeout).wait(for: [answer])
            let rest = deadline.map { max(.zero, $0 - ContinuousClock.now) }
            if let output, ended[0].document.state == "succeeded",
                let copies = try await ResultFiles(client: session.client, directory: output, timeout: rest)
                    .fetchIfAny(of: ended[0], withJSON: session.printsJSON)
            {
                try session.show(copies.task.json) { copies.paths }
                if let status = copies.status { throw status }
                return
            }
            try session.show(ended[0].json) {
                ResultLines(results: ended[0].document.results, record: ended[0].document.response).lines
            }
            let status = WaitOutcome.status(of: ended.map(\.document))
            if status != .done { throw status }
        }
    }

    private func document(endpoint: String, request: JSONValue) throws -> SubmitDocument {
        // A generated key makes a retry safe if the daemon goes away.
        var document = SubmitDocument(
            endpoint: endpoint, request: request, idempotencyKey: key ?? SubmissionKey.fresh())
        document.labels = try LabelArgument.dictionary(label)
        document.priority = priority
        document.notBefore = notBefore?.text(now: Date())
        document.deadline = deadline?.text(now: Date())
        document.onUncertain = onUncertain
        document.note = note
        if noCapture { document.capture = false }
        document.notify = notify
        return document
    }
}

/// Creates idempotency keys for submissions without one.
enum SubmissionKey {
    static func fresh() -> String { "cli-" + UUID().uuidString.lowercased() }
}
