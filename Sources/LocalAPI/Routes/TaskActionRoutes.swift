import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// Handles the requests with which a person changes a task.
struct TaskActionRoutes {
    let service: TaskService

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.cancel.routerPath) { request, context in
            try await answer(try await service.cancel(try await id(of: request, context)))
        }
        router.post(LocalAPIRoute.collect.routerPath) { request, context in
            try await answer(try await service.collect(try await id(of: request, context)))
        }
        router.post(LocalAPIRoute.approve.routerPath) { request, context in
            try await answer(try await service.approve(try await id(of: request, context)))
        }
        router.post(LocalAPIRoute.reopen.routerPath) { request, context in
            try await answer(try await service.reopen(try await id(of: request, context)))
        }
        router.post(LocalAPIRoute.retry.routerPath) { request, context in
            let number = try QueryReader(request, knowing: ["number"]).integer("number", in: 1...1_000) ?? 1
            let id = try await service.id(of: context.parameters.require("id"))
            let (task, isNew) = try await service.retry(id, number: number)
            return await service.response(
                isNew ? .created : .ok, showing: task, location: LocalAPIRoute.task.path(task.task.id.text))
        }
        router.post(LocalAPIRoute.resolve.routerPath) { request, context in
            try request.refuseQuery()
            let decision: UncertainResolution =
                switch try ResolveDocument(json: try await request.json()) {
                case .adopt(let remoteID, let account): .adopt(remoteID: remoteID, account: account)
                case .resubmit: .resubmit
                case .giveUp: .giveUp
                }
            return try await answer(try await service.resolve(try await id(of: request, context), decision))
        }
    }

    private func id(of request: Request, _ context: APIContext) async throws -> TaskID {
        try request.refuseQuery()
        return try await service.id(of: context.parameters.require("id"))
    }

    private func answer(_ stored: TaskWithPayload) async throws -> Response {
        await service.response(showing: stored)
    }
}
