import HTTPTypes
import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel
import Text
import VerbatimJSON

/// Submits, adopts, shows and lists tasks.
struct TaskRoutes {
    let service: TaskService
    let bulk: BulkSubmission

    private static let idempotencyKey = HTTPField.Name(HeaderName.idempotencyKey)

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.tasks.routerPath) { request, _ in
            try await submit(request)
        }
        router.get(LocalAPIRoute.tasks.routerPath) { request, _ in try await list(request) }
        router.post(LocalAPIRoute.adopt.routerPath) { request, _ in try await adopt(request) }
        router.get(LocalAPIRoute.task.routerPath) { request, context in
            try await show(request, id: context.parameters.require("id"), context: context)
        }
        router.get(LocalAPIRoute.taskCount.routerPath) { request, _ in
            let query = try QueryReader(request, knowing: Self.filters)
            let count = try await service.count(matching: try filter(query))
            return Response(json: TaskCountDocument(count: count.count, complete: count.isComplete).json)
        }
        router.get(LocalAPIRoute.labels.routerPath) { request, _ in
            let query = try QueryReader(request, knowing: ["name", "prefix", "limit"])
            let texts = try await service.labels(
                named: try query.one("name"), withPrefix: try query.one("prefix") ?? "",
                limit: try query.integer("limit", in: 1...500) ?? 50)
            return Response(json: LabelPage(texts: texts).json)
        }
        router.get(LocalAPIRoute.events.routerPath) { request, context in
            try await events(request, id: context.parameters.require("id"))
        }
    }

    private func submit(_ request: Request) async throws -> Response {
        try request.refuseQuery()
        let type = request.mediaType
        let key = Self.idempotencyKey.flatMap { request.headers[$0] }
        if type.hasPrefix(MediaType.jsonLines) { return try bulk.answer(to: request, key: key) }
        let document = try SubmitDocument(json: try await request.json(of: type))
        let (task, isNew) = try await service.submit(try Submission(document, headerKey: key))
        return try await answer(task, isNew: isNew)
    }

    private func adopt(_ request: Request) async throws -> Response {
        try request.refuseQuery()
        let document = try AdoptDocument(json: try await request.json())
        let (task, isNew) = try await service.adopt(
            endpoint: document.endpoint, remoteID: document.remoteID, account: document.account,
            labels: document.labels,
            priority: document.priority ?? 0,
            deadline: try StatedTime(document.deadline, of: "deadline"))
        let uncertain = try await service.uncertainTasks(fitting: task.task)
        guard !uncertain.isEmpty else { return try await answer(task, isNew: isNew) }
        var json = await service.document(of: task).json.object ?? JSONObject()
        json["uncertain_tasks"] = .array(uncertain.map { .string($0.text) })
        return Response(
            isNew ? .created : .ok, json: .object(json), location: LocalAPIRoute.task.path(task.task.id.text))
    }

    private func answer(_ stored: TaskWithPayload, isNew: Bool) async throws -> Response {
        await service.response(
            isNew ? .created : .ok, showing: stored, location: LocalAPIRoute.task.path(stored.task.id.text))
    }

    private func show(_ request: Request, id text: String, context: APIContext) async throws -> Response {
        let query = try QueryReader(request, knowing: ["wait_seconds"])
        let patience = try query.seconds("wait_seconds", upTo: 300) ?? .zero
        let id = try await service.id(of: text)
        guard patience > .zero else {
            return await service.response(showing: try await service.task(id))
        }
        return try await context.whileConnected {
            await service.response(showing: try await service.task(id, waitingFor: patience))
        }
    }

    private func list(_ request: Request) async throws -> Response {
        let query = try QueryReader(request, knowing: Self.filters + ["limit", "cursor", "include"])
        var cursor: PageCursor?
        if let text = try query.one("cursor") {
            cursor = PageCursor(text: text)
            guard cursor != nil else {
                throw QueryReader.problem("cursor", "is not from an earlier page; start again without it")
            }
        }
        let included = try included(query)
        let page = try await service.tasks(
            matching: try filter(query), after: cursor, limit: try query.integer("limit", in: 1...500) ?? 50,
            with: included)
        return await offEventLoop {
            var documents: [TaskDocument] = []
            for stored in page.tasks { documents.append(await service.document(of: stored)) }
            let json = TaskPage(tasks: documents, nextCursor: page.next?.text).json
            return Response(json: included == .all ? json : Self.without(included, json))
        }
    }

    /// The page without the members that are not included.
    private static func without(_ included: ListedDocuments, _ page: JSONValue) -> JSONValue {
        let omitted = documents.filter { !included.contains($0.document) }.map(\.name)
        var page = page.object ?? JSONObject()
        page["tasks"] = .array(
            (page["tasks"]?.array ?? []).map { task in
                .object(
                    JSONObject(distinct: (task.object?.members ?? []).filter { !omitted.contains($0.name) }))
            })
        return .object(page)
    }

    /// The documents of each task that a list has: all unless `include` names them.
    private func included(_ query: QueryReader) throws(Problem) -> ListedDocuments {
        guard !query.all("include").isEmpty else { return .all }
        var documents: ListedDocuments = []
        for name in query.list("include") where !["", "none"].contains(name) {
            guard let document = Self.documents.first(where: { $0.name == name }) else {
                throw QueryReader.problem(
                    "include",
                    "must be none, or among \(Self.documents.map(\.name).joined(separator: ", ")), not \"\(name)\"")
            }
            documents.insert(document.document)
        }
        return documents
    }

    private static let documents: [(name: String, document: ListedDocuments)] = [
        ("request", .request), ("response", .response), ("results", .results),
    ]

    private static let filters = [
        "state", "endpoint", "label", "created_after", "created_before", "retried", "waiting_for",
    ]

    private func filter(_ query: QueryReader) throws -> TaskFilter {
        var filter = TaskFilter()
        filter.states = try query.states()
        filter.endpoints = try query.endpoints()
        filter.labels = try query.labels()
        filter.createdAfter = try query.time("created_after")
        filter.createdBefore = try query.time("created_before")
        filter.isRetried = try query.flag("retried")
        if let code = try query.one("waiting_for") {
            guard code == "budget" else { throw QueryReader.problem("waiting_for", "must be budget") }
            filter.isHeldByBudget = true
        }
        return filter
    }

    private func events(_ request: Request, id: String) async throws -> Response {
        let query = try QueryReader(request, knowing: ["after", "limit"])
        let id = try await service.id(of: id)
        let events = try await service.events(
            of: id,
            // The largest integer that every JSON parser reads exactly.
            after: Int64(try query.integer("after", in: 0...9_007_199_254_740_991) ?? 0),
            limit: try query.integer("limit", in: 1...1_000) ?? 500)
        // Read afterwards: a log that was removed meanwhile is not shown as one that was always empty.
        let removed = try await service.removedDetails(of: id)
        let removedAt = removed.flatMap { $0.parts.contains(.events) ? $0.at.rfc3339 : nil }
        return await offEventLoop {
            Response(json: EventPage(events: events.map { EventDocument($0) }, removedAt: removedAt).json)
        }
    }
}
