import HTTPTypes
import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel
import VerbatimJSON

// Converts tasks for the socket: from the document of a submission, and to the document of a task.

extension Submission {
    /// Makes a submission from the document, with its times parsed.
    ///
    /// The key is in the body or in the header. If it is in both, they must be equal.
    init(_ document: SubmitDocument, headerKey: String?) throws(ContractError) {
        if let headerKey { try EnvelopeRules.check(idempotencyKey: headerKey) }
        if let headerKey, let bodyKey = document.idempotencyKey, headerKey != bodyKey {
            throw .invalidValue(field: "idempotency_key", rule: "differs from the Idempotency-Key header")
        }
        self.init(
            endpoint: document.endpoint, request: document.request.object ?? JSONObject(),
            idempotencyKey: document.idempotencyKey ?? headerKey, labels: document.labels,
            priority: document.priority ?? 0, notBefore: try StatedTime(document.notBefore, of: "not_before"),
            deadline: try StatedTime(document.deadline, of: "deadline"),
            onUncertain: document.onUncertain.flatMap(UncertainPolicy.init(rawValue:)))
        note = document.note
        capture = document.capture
        notify = document.notify
        joins = document.join ?? false
    }
}

extension StatedTime {
    /// Parses a time of that field; nil for nil.
    init?(_ text: String?, of field: String) throws(ContractError) {
        guard let text else { return nil }
        if let span = TimeSpan.fromNow(text) {
            self = .after(span)
            return
        }
        guard let time = Timestamp(rfc3339: text) else {
            throw .invalidValue(
                field: field, rule: "must be a time in RFC 3339, as in 2026-11-23T14:05:09Z, or a span, as in +2h")
        }
        self = .at(time)
    }
}

extension TaskDocument {
    /// The task as the API shows it.
    init(
        _ stored: TaskWithPayload, forecast: TaskForecast, results: [TaskResult],
        isFetching: (TaskModel.Artefact.ID) -> Bool = { _ in false }
    ) {
        let task = stored.task
        self.init(
            id: task.id.text, endpoint: task.endpoint.text, state: task.state.rawValue,
            createdAt: task.createdAt.rfc3339)
        partial = task.isPartial
        remoteID = task.remoteID?.text
        account = task.attempts == 0 && task.remoteID == nil || task.account == .unknown ? nil : task.account.text
        traceID = task.traceID
        labels = task.labels
        priority = task.priority
        request = stored.payload.request
        response = stored.payload.response ?? .null
        self.results = results.map { result in
            var document = Result(
                kind: result.kind.rawValue, pointer: result.pointer.description, value: result.value,
                mediaType: result.mediaType, sizeBytes: result.sizeInBytes)
            document.artefact = result.artefact.map { TaskDocument.Artefact($0, isFetching: isFetching($0.id)) }
            return document
        }
        error = task.failure.map { failure in
            Failure(code: failure.code, message: failure.message, httpStatus: failure.httpStatus, hint: failure.hint)
        }
        progress = task.progress
        eta = forecast.eta.map { Expectation(p50: $0.p50.rfc3339, p90: $0.p90.rfc3339) }
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
        waitingFor = forecast.waitingFor.map { reason in
            var document = Reason(
                code: reason.code, message: [reason.message, reason.hint].compactMap(\.self).joined(separator: " "))
            document.budget = reason.budget?.budget
            document.missing = reason.budget.flatMap { budget in budget.missing.map { AmountDocument($0, budget.unit) }
            }
            return document
        }
        note = task.note
        capture = task.capturesResults
        retryOf = task.retryOf?.text
        notify = task.notify
        pinned = task.isPinned
        removed = Removed(of: task)
    }
}

extension TaskDocument.Artefact {
    /// The file as the socket shows it.
    fileprivate init(_ artefact: TaskModel.Artefact, isFetching: Bool) {
        self.init()
        state =
            switch artefact.state {
            case .waiting where isFetching: "fetching"
            case .removing: "removed"
            case let state: state.rawValue
            }
        attempts = artefact.attempts
        error = artefact.error
        expiresAt = artefact.expiresAt?.rfc3339
        guard artefact.state == .saved, let object = artefact.object else { return }
        sha256 = object.sha256
        sizeBytes = Int(object.size)
        mediaType = object.mediaType
        path = object.name
        playlist = object.isPlaylist
        deliveredAt = artefact.deliveredAt?.rfc3339
    }
}

extension TaskDocument.Removed {
    /// Nil if no details of the task were removed.
    fileprivate init?(of task: TrackedTask) {
        guard let removed = task.removed else { return nil }
        self.init(
            at: removed.at.rfc3339, request: removed.parts.contains(.request),
            response: removed.parts.contains(.response), events: removed.parts.contains(.events))
    }
}

extension TaskDocument.Callback {
    /// Nil if the requests of the task have no callback URL.
    fileprivate init?(of task: TrackedTask) {
        guard task.hasOwnCallback || task.attempt?.callback != nil || task.callbacks.count > 0 else { return nil }
        self.init(
            receiver: task.hasOwnCallback ? "program" : "pollux", deliveries: task.callbacks.count,
            latestAt: task.callbacks.latestAt?.rfc3339)
    }
}

extension TaskService {
    /// The task as the API shows it, with its current forecast.
    func document(of stored: TaskWithPayload) async -> TaskDocument {
        document(of: stored, knowing: await forecastFacts(about: stored.task))
    }

    /// The task as the API shows it, with the forecast that follows from these facts.
    func document(of stored: TaskWithPayload, knowing facts: ForecastFacts) -> TaskDocument {
        TaskDocument(
            stored, forecast: forecast(of: stored.task, knowing: facts), results: results(of: stored),
            isFetching: fetching.contains)
    }

    /// The reply that shows the task. A long record is written off the event loop.
    func response(_ status: HTTPResponse.Status = .ok, showing stored: TaskWithPayload, location: String? = nil) async
        -> Response
    {
        guard stored.payload.isLong else {
            return Response(status, json: await document(of: stored).json, location: location)
        }
        return await offEventLoop { Response(status, json: await document(of: stored).json, location: location) }
    }
}

extension TaskPayload {
    /// Whether writing the payload may take milliseconds.
    fileprivate var isLong: Bool {
        request.isLong || response?.isLong ?? false
    }
}

extension EventDocument {
    /// The event as the API shows it.
    init(_ event: StoredEvent) {
        let entry = event.entry
        self.init(
            sequence: Int(event.sequence), taskID: event.task.text, at: entry.at.rfc3339, kind: entry.kind,
            from: entry.from?.rawValue, to: entry.from == entry.to ? nil : entry.to.rawValue,
            detail: .object(entry.detail))
    }
}
