import Foundation
import HTTPTypes

extension SimulatedTask {
    /// The reply to a look-up of this task at a given time.
    func lookup(at now: Date) -> (status: HTTPResponse.Status, document: JSONValue) {
        switch operation.form.record {
        case .wrapped, .worded: (.ok, record(at: now))
        case .flatWhenAlone:
            (.ok, outcome(at: now) == .pending ? nothingYet : signed(response(at: now) ?? nothingYet, at: now))
        case .flat: flat(at: now)
        case .task: (.ok, ["task": record(at: now)])
        }
    }

    /// The record in a list at a given time.
    ///
    /// Member names and order follow the provider's example records. Times are Unix seconds with milliseconds.
    func record(at now: Date) -> JSONValue {
        switch operation.form.record {
        case .wrapped, .flatWhenAlone, .flat: signed(wrapped(at: now), at: now)
        case .task: signed(bare(at: now), at: now)
        case .worded(let words): signed(worded(words, at: now), at: now)
        }
    }

    private var nothingYet: JSONValue { ["success": true, "task_id": .string(identity.taskID)] }

    private func wrapped(at now: Date) -> JSONValue {
        let outcome = outcome(at: now)
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name: name, value: value)) }

        add("_id", .string(identity.recordID))
        add("id", .string(identity.taskID))
        add("api_id", .string(apiID))
        add("application_id", .string(owner.applicationID))
        add("created_at", .unixSeconds(createdAt))
        if operation.form.times != .createdOnly {
            if now >= startedAt { add("started_at", time(startedAt)) }
            addEnd(of: outcome, add: add)
        }
        add("credential_id", .string(owner.credentialID))
        add("request", request)
        add("trace_id", .string(identity.traceID))
        add("type", .string(operation.recordType))
        add("user_id", .string(owner.userID))
        if outcome == .succeeded, case .object(let extras) = operation.shape.recordExtras(self) { members += extras }
        if let response = response(at: now) { add("response", response) }
        return .object(members)
    }

    /// The captcha format: no wrapper, and a failure has an error status.
    private func flat(at now: Date) -> (HTTPResponse.Status, JSONValue) {
        let times: JSONValue = [
            "started_at": .unixSeconds(startedAt), "finished_at": .unixSeconds(finishedAt),
            "elapsed": .decimal(finishedAt.timeIntervalSince(startedAt)),
        ]
        let id = JSONValue.string(identity.taskID)
        switch outcome(at: now) {
        case .pending: return (.ok, ["success": true, "task_id": id, "status": "processing"])
        case .succeeded:
            let head: JSONValue = ["success": true, "task_id": id, "status": "ready"]
            return (.ok, head.appending(operation.shape.succeeded(self)).appending(times))
        case .failed:
            let head: JSONValue = [
                "detail": "The captcha task timed out.", "code": "timeout", "success": false, "task_id": id,
                "status": "failed",
            ]
            return (.gatewayTimeout, head.appending(times))
        }
    }

    /// The MiniMax format: different names, whole seconds, no `finished_at`.
    private func bare(at now: Date) -> JSONValue {
        let outcome = outcome(at: now)
        let change = outcome == .pending ? max(createdAt, min(now, startedAt)) : finishedAt
        let word: JSONValue =
            switch outcome {
            case .pending: now < startedAt ? "queued" : "running"
            case .succeeded: "succeeded"
            case .failed: "failed"
            }
        let head: JSONValue = [
            "id": .string(identity.taskID), "model": request["model"] ?? "MiniMax-H3", "status": word,
            "created_at": .integer(Int(createdAt.timeIntervalSince1970)),
            "updated_at": .integer(Int(change.timeIntervalSince1970.rounded(.up))),
        ]
        return switch outcome {
        case .pending: head
        case .succeeded: head.appending(operation.shape.succeeded(self))
        case .failed: head.appending(failure.errorMember(style: .plain))
        }
    }

    /// The format of Maestro and digital-human: a top-level status word.
    private func worded(_ words: ServiceForm.Words, at now: Date) -> JSONValue {
        let outcome = outcome(at: now)
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name: name, value: value)) }

        let fraction = fraction(at: now)
        let stage = words.running[min(Int(fraction * Double(words.running.count)), words.running.count - 1)]
        add("id", .string(identity.taskID))
        add("created_at", .unixSeconds(createdAt))
        add("started_at", now >= startedAt ? .unixSeconds(startedAt) : .null)
        addEnd(of: outcome, add: add)
        switch outcome {
        case .pending: add("status", .string(stage))
        case .succeeded: add("status", .string(words.succeeded))
        case .failed: add("status", .string(words.failed))
        }
        if words.showsProgress {
            // A finished task still reports the last stage.
            add("progress", ["percent": .integer(Int(fraction * 100)), "stage": .string(stage)])
        }
        add("request", request)
        add("response", response(at: now) ?? .null)
        return .object(members)
    }

    /// Whether the submit returns immediately. Otherwise the connection stays open until the end.
    var isAsynchronous: Bool {
        let callback = request["callback_url"]?.stringValue ?? ""
        return switch operation.delivery {
        case .asAsked: request["async"] == true || !callback.isEmpty
        case .inline: false
        case .atOnce: true
        }
    }

    /// The reply to a synchronous submit.
    var inlineReply: (status: HTTPResponse.Status, document: JSONValue) {
        guard controls.fails else { return (.ok, signed(operation.shape.inline(self), at: finishedAt)) }
        return (failure.code == "timeout" ? .gatewayTimeout : .internalServerError, plainFailure)
    }

    /// The body of the final callback.
    var finalCallbackBody: JSONValue {
        if case .task = operation.form.record { return ["task": record(at: finishedAt)] }
        return controls.fails ? plainFailure : signed(operation.shape.callbackBody(self), at: finishedAt)
    }

    /// The immediate reply to an asynchronous submit.
    var acceptReply: JSONValue { operation.acceptReply.document.filled(for: self) }

    private var plainFailure: JSONValue {
        let document: JSONValue = [
            "success": false,
            "task_id": .string(identity.taskID),
            "trace_id": .string(identity.traceID),
        ]
        return document.appending(failure.errorMember(style: .plain))
    }

    private func time(_ moment: Date) -> JSONValue {
        operation.form.times == .iso8601 ? .string(moment.iso8601) : .unixSeconds(moment)
    }

    private func addEnd(of outcome: Outcome, add: (String, JSONValue) -> Void) {
        let isStamped = outcome == .succeeded || (outcome == .failed && failureStyle != .unstamped)
        if isStamped {
            add("finished_at", time(finishedAt))
            add("elapsed", .decimal(finishedAt.timeIntervalSince(startedAt)))
        } else if outcome == .failed || writesNullTimes {
            add("finished_at", nil)
            add("elapsed", nil)
        }
    }

    private func response(at now: Date) -> JSONValue? {
        switch outcome(at: now) {
        case .succeeded: operation.shape.succeeded(self)
        case .failed: operation.shape.failed(self)
        case .pending: operation.shape.running(self, fraction: fraction(at: now)) ?? earlyResponse
        }
    }

    private var earlyResponse: JSONValue? {
        switch earlyStyle {
        case .absent: nil
        case .null: .null
        case .empty: [:]
        case .taskIDOnly: ["task_id": .string(identity.taskID)]
        }
    }

    /// Equal for all tasks of an operation, independent of the seed.
    private var apiID: String {
        var random = SeededRandom(seed: 0, stream: "api \(operation.endpoint)")
        return random.uuid()
    }
}

extension JSONValue {
    static func unixSeconds(_ date: Date) -> JSONValue { .decimal(date.timeIntervalSince1970) }
}
