import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// CallbackBodies writes the callbacks that programs at the gateway get, as the provider of each task would.
struct CallbackBodies: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog

    /// The body of the callback about a task that has ended.
    func body(about stored: TaskWithPayload) async throws(TaskStoreError) -> JSONValue {
        let task = stored.task
        let profile = catalog.endpoint(task.endpoint) ?? EndpointProfile(undefined: task.endpoint)
        let address = try await store.passedMessage(of: task.id)?.address ?? ""
        let body = profile.dialect.gateway.callback(GatewayTask(stored, at: address))
        guard !address.isEmpty, let base = catalog.provider(profile.provider)?.baseURL else { return body }
        return body.readdressed(from: base, to: address)
    }
}

extension GatewayTask {
    /// A task as the store has it. `address` is where the provider's paths begin at the gateway.
    init(_ stored: TaskWithPayload, at address: String) {
        let task = stored.task
        self.init(
            id: task.remoteID ?? RemoteTaskID(task.id), phase: task.phase,
            request: stored.payload.request.object ?? JSONObject(), createdAt: task.createdAt, endedAt: task.endedAt,
            record: stored.payload.response,
            recordShowsOutcome: task.outcomeSource != nil && stored.payload.response != nil, address: address)
        isAnsweredInline = task.outcomeSource == .submission && record != nil
    }
}

extension TrackedTask {
    /// How far it is, in the words of the gateway.
    fileprivate var phase: GatewayTask.Phase {
        switch state {
        case .queued, .submitting, .uncertain, .running: .pending
        case .succeeded: .succeeded
        case .failed: .failed(failure ?? TaskFailure(code: "failed", message: "The task failed."))
        case .cancelled: .failed(TaskFailure(code: "cancelled", message: "The task was cancelled."))
        case .expired: .failed(TaskFailure(code: "expired", message: "The deadline of the task is over."))
        }
    }
}
