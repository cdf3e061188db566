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
        let query = try QueryReader(
            request,
            knowing: ["state", "endpoint", "label", "created_after", "created_before", "retried", "limit", "cursor"])
        var cursor: PageCursor?
        if let text = try query.one("cursor") {
            cursor = PageCursor(text: text)
            guard cursor != nil else {
                throw QueryReader.problem("cursor", "is not from an earlier page; start again without it")
            }
        }
        let page = try await service.tasks(
            matching: try filter(query), after: cursor, limit: try query.integer("limit", in: 1...500) ?? 50)
        return await offEventLoop {
            var documents: [TaskDocument] = []
            for stored in page.tasks { documents.append(await service.document(of: stored)) }
            return Response(json: TaskPage(tasks: documents, nextCursor: page.next?.text).json)
        }
    }

    private func filter(_ query: QueryReader) throws -> TaskFilter {
        var filter = TaskFilter()
        filter.states = try query.states()
        filter.endpoints = try query.endpoints()
        filter.labels = try query.labels()
        filter.createdAfter = try query.time("created_after")
        filter.createdBefore = try query.time("created_before")
        filter.isRetried = try query.flag("retried")
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
