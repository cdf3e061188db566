import Foundation
import HTTPTypes

extension SimulatedTask {
    /// The record that a look-up shows at a moment.
    ///
    /// Member names and order follow the provider's example records. Times are Unix seconds with milliseconds.
    func record(at now: Date) -> JSONValue {
        let outcome = outcome(at: now)
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name: name, value: value)) }

        add("_id", .string(identity.recordID))
        add("id", .string(identity.taskID))
        add("api_id", .string(apiID))
        add("application_id", .string(owner.applicationID))
        add("created_at", .unixSeconds(createdAt))
        if now >= startedAt { add("started_at", .unixSeconds(startedAt)) }
        addEnd(of: outcome, add: add)
        add("credential_id", .string(owner.credentialID))
        add("request", request)
        add("trace_id", .string(identity.traceID))
        add("type", .string(operation.recordType))
        add("user_id", .string(owner.userID))
        if outcome == .succeeded, case .object(let extras) = operation.shape.recordExtras(self) { members += extras }
        if let response = response(at: now) { add("response", response) }
        return .object(members)
    }

    /// Whether its submit is answered at once; otherwise the connection is held until the end.
    var isAsynchronous: Bool {
        let callback = request["callback_url"]?.stringValue ?? ""
        return request["async"] == true || !callback.isEmpty
    }

    /// What a submit that waited for the end is told.
    var inlineReply: (status: HTTPResponse.Status, document: JSONValue) {
        guard controls.fails else { return (.ok, operation.shape.succeeded(self)) }
        let document: JSONValue = [
            "success": false,
            "task_id": .string(identity.taskID),
            "trace_id": .string(identity.traceID),
        ]
        return (
            failure.code == "timeout" ? .gatewayTimeout : .internalServerError,
            document.appending(failure.errorMember(style: .plain))
        )
    }

    /// What an asynchronous submit is told at once.
    var acceptReply: JSONValue {
        switch operation.acceptReply {
        case .taskID: ["task_id": .string(identity.taskID)]
        case .successAndTaskID: ["success": true, "task_id": .string(identity.taskID)]
        }
    }

    private func addEnd(of outcome: Outcome, add: (String, JSONValue) -> Void) {
        let isStamped = outcome == .succeeded || (outcome == .failed && failureStyle != .unstamped)
        if isStamped {
            add("finished_at", .unixSeconds(finishedAt))
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

    /// The same for every task of an operation, whatever the seed.
    private var apiID: String {
        var random = SeededRandom(seed: 0, stream: "api \(operation.endpoint)")
        return random.uuid()
    }
}

extension JSONValue {
    static func unixSeconds(_ date: Date) -> JSONValue { .decimal(date.timeIntervalSince1970) }
}
