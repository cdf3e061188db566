import Randomness
package import TaskModel
package import TaskStore
package import VerbatimJSON

extension TrackedTask {
    /// A valid task in that state. A test changes only the field it checks.
    package static func task(
        _ number: Int = 1, state: TaskState = .queued, endpoint: String = "image/make",
        at now: Timestamp = ManualTimeSource.start, priority: Int = 0, labels: [String: String] = [:],
        notBefore: Timestamp? = nil, deadline: Timestamp? = nil, onUncertain: UncertainPolicy = .hold,
        remoteID: String? = nil
    ) -> TrackedTask {
        var random = SeededRandom(seed: UInt64(number) &+ 0x7461_736b)
        guard let endpoint = EndpointName(endpoint) else { preconditionFailure("\(endpoint) is no endpoint name") }
        let knownRemoteID = remoteID ?? (state == .running || state == .succeeded ? "remote-\(number)" : nil)
        var task = TrackedTask(
            id: TaskID(at: now, using: &random), endpoint: endpoint, state: state, createdAt: now,
            onUncertain: onUncertain, labels: labels, priority: priority, notBefore: notBefore, deadline: deadline,
            remoteID: knownRemoteID.flatMap { RemoteTaskID($0) })
        if state != .queued && state != .cancelled && state != .expired {
            task.attempts = 1
            task.attempt = Attempt(number: 1, startedAt: now, endedAt: state == .submitting ? nil : now)
        }
        if knownRemoteID != nil { task.submittedAt = now }
        if state == .uncertain { task.failure = TaskFailure(code: "reply_lost", message: "The reply was lost.") }
        if state == .failed { task.failure = TaskFailure(code: "forbidden", message: "Moderation.") }
        if state.hasEnded {
            task.endedAt = now
            task.nextDueAt = nil
        }
        return task
    }
}

extension NewTask {
    /// A task to insert, with a request and optionally a key whose fingerprint repeats `body`.
    package static func new(
        _ task: TrackedTask, request: JSONValue = ["prompt": "a cat"], response: JSONValue? = nil,
        key: String? = nil, body: UInt8 = 0
    ) -> NewTask {
        NewTask(
            task: task, payload: TaskPayload(request: request, response: response),
            idempotencyKey: key.map {
                NewTask.IdempotencyKey(key: $0, fingerprint: [UInt8](repeating: body, count: 32))
            })
    }
}
