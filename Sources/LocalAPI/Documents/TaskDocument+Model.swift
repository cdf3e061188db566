import HTTPTypes
import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel
import VerbatimJSON

extension TaskDocument {
    /// The task as the socket shows it.
    init(_ stored: StoredTask, outlook: Outlook, results: [TaskResult]) {
        let task = stored.task
        self.init(
            id: task.id.text, endpoint: task.endpoint.text, state: task.state.rawValue,
            createdAt: task.createdAt.rfc3339)
        partial = task.isPartial
        remoteID = task.remoteID?.text
        traceID = task.traceID
        labels = task.labels
        priority = task.priority
        request = stored.payload.request
        response = stored.payload.response ?? .null
        self.results = results.map { result in
            Result(
                kind: result.kind.rawValue, pointer: result.pointer.description, value: result.value,
                mediaType: result.mediaType, sizeBytes: result.sizeInBytes)
        }
        error = task.failure.map { failure in
            Failure(code: failure.code, message: failure.message, httpStatus: failure.httpStatus, hint: failure.hint)
        }
        progress = task.progress
        eta = outlook.eta.map { Expectation(p50: $0.p50.rfc3339, p90: $0.p90.rfc3339) }
        slowerThanUsualSince = task.slowAt?.rfc3339
        submittedAt = task.submittedAt?.rfc3339
        startedAt = task.startedAt?.rfc3339
        finishedAt = task.finishedAt?.rfc3339
        endedAt = task.endedAt?.rfc3339
        notBefore = task.notBefore?.rfc3339
        deadline = task.deadline?.rfc3339
        nextPollAt = task.state == .running ? task.nextDueAt?.rfc3339 : nil
        attempts = task.attempts
        polls = task.polls
        onUncertain = task.onUncertain.rawValue
        resolution = task.resolution?.rawValue
        outcomeSource = task.outcomeSource?.rawValue
        callback = Callback(of: task)
        waitingFor = outlook.waitingFor.map { reason in
            Reason(code: reason.code, message: [reason.message, reason.hint].compactMap(\.self).joined(separator: " "))
        }
    }
}

extension TaskDocument.Callback {
    /// Nil where the requests of the task carry no callback URL.
    fileprivate init?(of task: TrackedTask) {
        guard task.hasOwnCallback || task.attempt?.callback != nil || task.callbacks.count > 0 else { return nil }
        self.init(
            receiver: task.hasOwnCallback ? "program" : "pollux", deliveries: task.callbacks.count,
            latestAt: task.callbacks.latestAt?.rfc3339)
    }
}

extension TaskService {
    /// The task as the socket shows it, with what can be said about it now.
    func document(of stored: StoredTask) async -> TaskDocument {
        TaskDocument(stored, outlook: await outlook(of: stored.task), results: results(of: stored))
    }

    /// The answer that shows the task; written off the event loop where its record is long.
    func response(_ status: HTTPResponse.Status = .ok, showing stored: StoredTask, location: String? = nil) async
        -> Response
    {
        guard stored.payload.isLong else {
            return Response(status, json: await document(of: stored).json, location: location)
        }
        return await offEventLoop { Response(status, json: await document(of: stored).json, location: location) }
    }
}

extension TaskPayload {
    /// Whether writing it may take milliseconds.
    fileprivate var isLong: Bool {
        request.isLong || response?.isLong ?? false
    }
}

extension EventDocument {
    /// The event as the socket shows it.
    init(_ event: StoredEvent) {
        self.init(
            sequence: Int(event.sequence), taskID: event.task.text, at: event.entry.at.rfc3339, kind: event.entry.kind,
            from: event.entry.from?.rawValue, to: event.entry.to.rawValue, detail: .object(event.entry.detail))
    }
}
