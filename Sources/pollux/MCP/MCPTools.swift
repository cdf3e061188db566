import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// MCPTools carries out calls with requests to the daemon. It keeps nothing between calls.
struct MCPTools: Sendable {
    typealias TaskAnswer = Answer<TaskDocument>

    /// Hosts cut calls after 60 s.
    static let mostSeconds = 45
    /// The most tasks of one `wait`.
    static let mostTasks = 32

    /// Instructions for the model about all tools.
    static let instructions = """
        Pollux submits paid image, video and music tasks to providers once and tracks each until it ends, also while you are away. \
        Find an endpoint with `endpoints`, submit with `generate`, and if the task has not ended, call `wait` with its id until it has. \
        If a call fails or is cut off, repeat it unchanged, or look with `list`: nothing is paid twice.
        """

    let client: LocalAPIClient
    let settings: MCPSettings
    let receipts = ReceiptGate()
    /// How long a call waits for a daemon that is away, as during a restart.
    var grace = Duration.seconds(3)

    /// The tools by name, as `tools/list` shows them.
    var listing: JSONValue { .array(MCPTool.all.map(\.json)) }

    func tool(named name: String) -> MCPTool? { MCPTool.all.first { $0.name == name } }

    /// Carries out a call. An error that the model can do something about is a result.
    func call(_ tool: MCPTool, _ arguments: ToolArguments, _ progress: MCPProgress) async -> ToolResult {
        do {
            try arguments.check(known: tool.arguments.names)
            return try await tool.run(self, arguments, progress)
        } catch let problem as ToolProblem {
            return ToolResult(error: problem.message)
        } catch LocalAPIClientError.interrupted(let reason) {
            return ToolResult(
                error:
                    "The connection to the daemon broke before it replied: \(reason). Repeat the call unchanged: nothing is paid twice."
            )
        } catch {
            return ToolResult(error: ExitReport(of: error).message ?? "The call failed: \(error)")
        }
    }

    /// Tells the daemon that the agent has seen the end of these tasks. If it is away, an equal call still joins them.
    func collect(_ ids: [String]) async {
        for id in ids { _ = try? await client.collect(id) }
    }

    // MARK: Tools

    func generate(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let endpoint = try arguments.required("endpoint")
        guard settings.allows(endpoint) else {
            throw ToolProblem(
                """
                \(endpoint) is not allowed here. Allowed: \(settings.allowed.joined(separator: ", ")). Only the person who set up this \
                server can change that.
                """)
        }
        let patience = try arguments.seconds("wait_seconds", default: 30, most: Self.mostSeconds)
        let isInline = try arguments.flag("inline")
        var document = SubmitDocument(endpoint: endpoint, request: .object(try arguments.object("request")))
        document.labels = try arguments.labels("labels").merging(settings.labels) { _, fixed in fixed }
        document.idempotencyKey = try arguments.text("key").map(settings.idempotencyKey(for:))
        document.join = true
        let submission = document
        try await settings.budget?.check(endpoint, fixed: settings.labels, client)
        await receipts.settled()
        let first = try await ask { () async throws(LocalAPIClientError) in try await client.submit(submission) }
        let isJoined = first.status == 200
        let last = try await follow(first, until: .now + patience, progress)
        let content = await content(of: last)
        var structured = content.structured
        structured["joined"] = .bool(isJoined)
        var text = content.text()
        if isJoined {
            text =
                "An earlier call with the same request has submitted this task, and nothing was submitted now.\n" + text
            if last.document.hasEnded {
                text += "\nIf you want another one, call `get` with this id first, or give a new `key`."
            }
        }
        return await result(text, .object(structured), [content], isInline: isInline)
    }

    func wait(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let ids = try arguments.list("ids")
        guard 1...Self.mostTasks ~= ids.count else {
            throw ToolProblem("`ids` must be a list of 1 to \(Self.mostTasks) ids of tasks.")
        }
        let deadline = ContinuousClock.now + (try arguments.seconds("seconds", default: 45, most: Self.mostSeconds))
        let isInline = try arguments.flag("inline")
        var answers: [TaskAnswer] = []
        for id in ids { answers.append(try await task(id)) }
        var contents: [TaskContent] = []
        // One after the other, since all must end: so a call uses one connection, however many tasks it waits for.
        for first in answers { contents.append(await content(of: try await latest(first, by: deadline, progress))) }
        return await result(
            contents.map { $0.text() }.joined(separator: "\n"),
            ["tasks": .array(contents.map { .object($0.structured) })],
            contents, isInline: isInline, isCollected: true)
    }

    func get(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let isInline = try arguments.flag("inline")
        var answer = try await task(try arguments.required("id"))
        if isInline { answer = try await withFiles(answer, until: .now + .seconds(3)) }
        let content = await content(of: answer)
        return await result(
            content.text(), .object(content.structured), [content], isInline: isInline, isCollected: true)
    }

    func list(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let limit = try arguments.text("limit").map { text in Int(text).map { max(1, min(50, $0)) } ?? 20 } ?? 20
        let query = TaskQuery(
            states: try arguments.list("state"), endpoints: try arguments.list("endpoint"), labels: settings.labels,
            limit: limit, cursor: try arguments.text("cursor"))
        let page = try await ask { () async throws(LocalAPIClientError) in try await client.tasks(query) }
        let tasks = page.json["tasks"]?.array ?? []
        let contents = zip(tasks, page.document.tasks).map {
            TaskContent(answer: TaskAnswer(status: 200, json: $0, document: $1), directory: nil)
        }
        let now = Date()
        var lines = page.document.tasks.map { task in
            "\(task.id)  \(task.endpoint)  \(task.stateWords)  \(DurationText.age(of: task.createdAt, now: now))"
        }
        if lines.isEmpty { lines = ["There are no such tasks."] }
        if page.document.nextCursor != nil { lines.append("There are more: pass `cursor`.") }
        return ToolResult(
            lines.joined(separator: "\n"),
            [
                "tasks": .array(contents.map { .object($0.structured) }),
                "next_cursor": page.json["next_cursor"] ?? .null,
            ])
    }

    func cancel(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let task = try await task(try arguments.required("id"))
        guard settings.owns(task.document) else {
            throw ToolProblem(
                "\(task.document.id) is not a task of this agent, so only a person can cancel it: pollux cancel \(task.document.id)"
            )
        }
        let answer = task.document.hasEnded ? task : try await cancelled(task.document.id)
        let content = await content(of: answer)
        return await result(content.text(), .object(content.structured), [content], isInline: false, isCollected: true)
    }

    func endpoints(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let words = (try arguments.text("query") ?? "").lowercased().split { ", ".contains($0) }
        let page = try await ask { () async throws(LocalAPIClientError) in try await client.endpoints() }
        let found = page.document.endpoints.filter { endpoint in
            let text = "\(endpoint.name) \(endpoint.provider) \(endpoint.kind)".lowercased()
            return settings.allows(endpoint.name) && words.allSatisfy { text.contains($0) }
        }
        return EndpointContent(endpoints: found).result
    }

    func spend(_ arguments: ToolArguments, _ progress: MCPProgress) async throws -> ToolResult {
        let since = try arguments.text("since") ?? "month"
        guard ["day", "month", "ever"].contains(since) else {
            throw ToolProblem("`since` must be day, month or ever, not \(since).")
        }
        let start = since == "ever" ? nil : try SpendStart(since).text(now: Date())
        let spend = try await ask { () async throws(LocalAPIClientError) in
            try await client.spend(by: "label.agent", since: start)
        }.document
        let budgets = try await ask { () async throws(LocalAPIClientError) in try await client.budgets() }.document
        let row = spend.rows.first { $0.key == settings.labels["agent"] } ?? SpendDocument.Row()
        func words(_ amounts: [AmountDocument]) -> String {
            let known = amounts.filter { $0.micros != 0 }.map { "\($0.amount) \($0.unit)" }
            return known.isEmpty ? "nothing" : known.joined(separator: " and ")
        }
        var lines = ["Spent: \(words(row.spent)). Reserved: \(words(row.reserved)). Attempts: \(row.attempts)."]
        if row.unpriced > 0 { lines.append("The cost of \(row.unpriced) of them is unknown.") }
        for budget in budgets.budgets {
            for share in budget.shares {
                let value = share.value.map { " for \($0)" } ?? ""
                lines.append(
                    "Budget \(budget.name)\(value): \(share.left.amount) \(share.left.unit) of \(budget.limit.amount) left."
                )
            }
        }
        return ToolResult(lines.joined(separator: "\n"), ["spend": row.json, "budgets": budgets.budgets.json])
    }

    // MARK: Tasks

    /// Repeats a request while the daemon is away, for a short time. The request must be safe to repeat.
    private func ask<Value: Sendable>(
        _ request: () async throws(LocalAPIClientError) -> Value
    ) async throws(LocalAPIClientError) -> Value {
        try await client.retryingWhileAway(until: .now + grace, request)
    }

    private func task(_ id: String) async throws(LocalAPIClientError) -> TaskAnswer {
        try await ask { () async throws(LocalAPIClientError) in try await client.task(id) }
    }

    private func cancelled(_ id: String) async throws(LocalAPIClientError) -> TaskAnswer {
        do throws(LocalAPIClientError) {
            return try await ask { () async throws(LocalAPIClientError) in try await client.cancel(id) }
        } catch {
            // It has just ended, perhaps by this request, whose reply was lost.
            guard case .problem(let problem) = error, problem.status == 409 else { throw error }
            let answer = try await task(id)
            guard answer.document.hasEnded else { throw error }
            return answer
        }
    }

    /// The task at its end or at the deadline.
    private func latest(
        _ first: TaskAnswer, by deadline: ContinuousClock.Instant, _ progress: MCPProgress
    ) async throws -> TaskAnswer {
        if first.document.hasEnded { return first }
        if ContinuousClock.now < deadline { return try await follow(first, until: deadline, progress) }
        return try await task(first.document.id)
    }

    /// Waits for the end of a task, also over restarts of the daemon. Returns the last reply there was.
    private func follow(
        _ first: TaskAnswer, until deadline: ContinuousClock.Instant, _ progress: MCPProgress
    ) async throws -> TaskAnswer {
        guard !first.document.hasEnded, ContinuousClock.now < deadline else { return first }
        let latest = LatestAnswer(first)
        @Sendable func note(_ answer: TaskAnswer) {
            latest.take(answer)
            let expectation = answer.document.expectation(now: Date())
            progress.note(answer.document.stateWords + (expectation.isEmpty ? "" : ", \(expectation)"))
        }
        do throws(LocalAPIClientError) {
            _ = try await client.waitForEnd(
                of: first.document.id, until: deadline, step: .seconds(5), onAnswer: note)
        } catch {
            // The task is stored, so its id and its last known state are worth more than an error.
            guard error.isDaemonAway else { throw error }
        }
        return try await withFiles(latest.answer, until: min(deadline, .now + .seconds(3)))
    }

    /// Waits a moment for the files of results, which come just after the end.
    private func withFiles(_ answer: TaskAnswer, until deadline: ContinuousClock.Instant) async throws -> TaskAnswer {
        var answer = answer
        while answer.document.state == "succeeded", answer.document.files.contains(where: \.isOnItsWay),
            ContinuousClock.now < deadline
        {
            try await Task.sleep(for: .milliseconds(200))
            if let newer = try? await client.task(answer.document.id) { answer = newer }
        }
        return answer
    }

    private func content(of answer: TaskAnswer) async -> TaskContent {
        let hasFiles = answer.document.files.contains { $0.state == "saved" }
        let directory = hasFiles ? try? await client.status().document.artefacts?.directory : nil
        return TaskContent(answer: answer, directory: directory)
    }

    private func result(
        _ text: String, _ structured: JSONValue, _ contents: [TaskContent], isInline: Bool, isCollected: Bool = false
    ) async -> ToolResult {
        var text = text
        var images: [JSONValue] = []
        if isInline {
            var room = TaskContent.mostInline
            for content in contents {
                let pictures = await content.pictures(from: client, room: &room)
                images += pictures.images
                text += pictures.notes.map { "\n" + $0 }.joined()
            }
        }
        let shown = contents.map(\.task).filter { isCollected && $0.hasEnded && settings.owns($0) }.map(\.id)
        return ToolResult(text, structured, links: contents.flatMap(\.links) + images, shown: shown)
    }
}
