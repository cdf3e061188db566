import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// Pins tasks and removes the details of ended ones.
struct RetentionRoutes {
    let service: TaskService
    let retention: RetentionService

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.pin.routerPath) { request, context in
            try await change(request, context) { id async throws(TaskServiceError) in
                try await retention.pin(id, true)
            }
        }
        router.post(LocalAPIRoute.unpin.routerPath) { request, context in
            try await change(request, context) { id async throws(TaskServiceError) in
                try await retention.pin(id, false)
            }
        }
        router.post(LocalAPIRoute.delete.routerPath) { request, context in
            try await change(request, context) { id async throws(TaskServiceError) in
                try await retention.delete(id)
            }
        }
        router.post(LocalAPIRoute.prune.routerPath) { request, _ in
            try request.refuseQuery()
            let document = try PruneRequestDocument(json: try await request.json())
            let report = try await retention.prune(isDryRun: document.dryRun)
            return Response(json: PruneDocument(report, isDryRun: document.dryRun).json)
        }
    }

    private func change(
        _ request: Request, _ context: APIContext, _ body: (TaskID) async throws(TaskServiceError) -> Void
    ) async throws -> Response {
        try request.refuseQuery()
        let id = try await service.id(of: context.parameters.require("id"))
        try await body(id)
        return await service.response(showing: try await service.task(id))
    }
}

extension PruneDocument {
    /// The report as a document; nil if no retention is set.
    fileprivate init(_ report: RetentionService.Report?, isDryRun: Bool) {
        self.init()
        dryRun = isDryRun
        guard let report else { return }
        configured = true
        complete = report.isComplete
        tasks = report.tasks
        responses = report.responses
        events = report.events
        idempotencyKeys = report.keys
        stubs = report.stubs
        ledger = report.ledger
        files = report.files
        fileBytes = Int(report.fileBytes)
        bytes = Int(report.bytes)
    }
}
