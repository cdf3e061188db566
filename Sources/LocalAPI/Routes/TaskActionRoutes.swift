import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// What a person can do with a task.
struct TaskActionRoutes {
    let service: TaskService

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.cancel.routerPath) { request, context in
            _ = try QueryReader(request, knowing: [])
            return try await answer(try await service.cancel(context.parameters.require("id")))
        }
        router.post(LocalAPIRoute.reopen.routerPath) { request, context in
            _ = try QueryReader(request, knowing: [])
            return try await answer(try await service.reopen(context.parameters.require("id")))
        }
        router.post(LocalAPIRoute.resolve.routerPath) { request, context in
            _ = try QueryReader(request, knowing: [])
            let decision: UncertainResolution =
                switch try ResolveDocument(json: try await request.json()) {
                case .adopt(let remoteID): .adopt(remoteID: remoteID)
                case .resubmit: .resubmit
                case .giveUp: .giveUp
                }
            return try await answer(try await service.resolve(context.parameters.require("id"), decision))
        }
    }

    private func answer(_ stored: StoredTask) async throws -> Response {
        await service.response(showing: stored)
    }
}
