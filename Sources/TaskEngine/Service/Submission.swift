package import TaskModel
package import VerbatimJSON

/// A submission with typed fields.
package struct Submission: Sendable {
    package var endpoint: String
    package var request: JSONObject
    package var idempotencyKey: String?
    package var labels: [String: String]
    package var priority: Int
    package var notBefore: StatedTime?
    package var deadline: StatedTime?
    package var onUncertain: UncertainPolicy?
    /// The user's note. It is not compared when a submission is repeated.
    package var note: String?
    /// Whether the files of its results are fetched by themselves; nil leaves it to the settings.
    package var capture: Bool?
    /// The destination, or the address, that is notified of the task in any case. It is not compared either.
    package var notify: String?
    /// Whether it joins the task of an equal submission of the same agent. It is not compared either.
    package var joins = false
    /// The ended task whose request it submits again.
    var retryOf: TaskID?

    package init(
        endpoint: String, request: JSONObject, idempotencyKey: String? = nil, labels: [String: String] = [:],
        priority: Int = 0, notBefore: StatedTime? = nil, deadline: StatedTime? = nil,
        onUncertain: UncertainPolicy? = nil
    ) {
        self.endpoint = endpoint
        self.request = request
        self.idempotencyKey = idempotencyKey
        self.labels = labels
        self.priority = priority
        self.notBefore = notBefore
        self.deadline = deadline
        self.onUncertain = onUncertain
    }
}

extension Submission {
    /// Creates a submission with the request of an ended task. It omits the times, which were meant for the old task.
    init(retry number: Int, of old: TaskWithPayload) {
        self.init(
            endpoint: old.task.endpoint.text, request: old.payload.request.object ?? JSONObject(),
            idempotencyKey: "retry/\(old.task.id)/\(number)", labels: old.task.labels, priority: old.task.priority,
            onUncertain: old.task.onUncertain)
        note = old.task.note
        capture = old.task.capturesResults ? nil : false
        notify = old.task.notify
        retryOf = old.task.id
    }

    /// The task for this submission. `onUncertain` applies if the submission sets no policy.
    func task(id: TaskID, of endpoint: EndpointName, at now: Timestamp, onUncertain policy: UncertainPolicy)
        -> TrackedTask
    {
        var task = TrackedTask(
            id: id, endpoint: endpoint, createdAt: now, onUncertain: onUncertain ?? policy, labels: labels,
            priority: priority, notBefore: notBefore?.resolved(at: now), deadline: deadline?.resolved(at: now))
        if let model = request["model"]?.string, 1...64 ~= model.utf8.count, !model.contains("\0") {
            // A longer text is not the name of a model.
            task.model = model
        }
        task.note = note
        task.capturesResults = capture ?? true
        task.notify = notify
        task.retryOf = retryOf
        return task
    }
}

/// A time in the form that a program gave.
package enum StatedTime: Sendable, Hashable {
    case at(Timestamp)
    /// A duration that starts when the task is stored.
    case after(Duration)

    /// The point in time for a task that is stored now.
    package func resolved(at now: Timestamp) -> Timestamp {
        switch self {
        case .at(let time): time
        case .after(let span): now + span
        }
    }

    /// The point in time; nil for a duration, which means another time at each repetition.
    var moment: Timestamp? { if case .at(let time) = self { time } else { nil } }
}
