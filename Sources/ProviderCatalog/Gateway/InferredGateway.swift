import TaskModel
import VerbatimJSON

/// Recognises requests to the services of xhuoapi, and answers in their shapes.
struct InferredGateway: GatewayDialect {
    let dialect: InferredDialect

    func reads(_ path: String) -> Bool { path == dialect.submitPath || path == dialect.tasksPath }

    func match(_ request: IncomingRequest) -> (operation: GatewayOperation, specificity: Int)? {
        guard request.method == "POST", let fields = request.fields else { return nil }
        if request.path == dialect.submitPath { return (submission(fields), 1) }
        guard request.path == dialect.tasksPath else { return nil }
        return lookup(fields).map { ($0, 1) }
    }

    /// Without `async` or a callback URL, the provider holds the connection until there is a result.
    private func submission(_ fields: JSONObject) -> GatewayOperation {
        var request = fields
        let isAsynchronous =
            dialect.isAlwaysAsynchronous || fields["async"] == true || fields.decides("callback_url")
        // It would make the provider answer inline, and a reply that takes minutes is easily lost.
        if fields["async"] == false, !dialect.answersOnlyInline { request["async"] = nil }
        return .submit(request, isInline: dialect.answersOnlyInline || !isAsynchronous)
    }

    private func lookup(_ fields: JSONObject) -> GatewayOperation? {
        let keys = dialect.lookupKeys + ["id", "task_id"]
        switch fields["action"]?.string ?? "retrieve" {
        case "retrieve":
            if let id = keys.lazy.compactMap({ fields[$0].flatMap(Self.id) }).first { return .poll(id) }
            return keys.lazy.compactMap { fields[$0]?.array }.first.flatMap(Self.ids).map { .polls($0) }
        case "retrieve_batch":
            return (keys + ["ids"]).lazy.compactMap { fields[$0]?.array }.first.flatMap(Self.ids).map { .polls($0) }
        default: return nil
        }
    }

    private static func id(_ value: JSONValue) -> RemoteTaskID? {
        DeclaredDialect.text(value).flatMap { RemoteTaskID($0) }
    }

    private static func ids(_ values: [JSONValue]) -> [RemoteTaskID]? {
        let ids = values.compactMap(id)
        return ids.isEmpty || ids.count != values.count ? nil : ids
    }

    func accepted(_ task: GatewayTask) -> GatewayReply {
        GatewayReply(["success": true, "task_id": .string(task.id.text)])
    }

    func record(_ task: GatewayTask) -> JSONValue {
        if let record = task.record, !task.isAnsweredInline, task.phase == .pending || task.recordShowsOutcome {
            return record
        }
        var record = JSONObject([("id", .string(task.id.text)), ("request", .object(task.request))])
        record["created_at"] = .number(JSONNumber(Int64(task.createdAt.unixSeconds)))
        if task.phase != .pending {
            record["finished_at"] = .number(JSONNumber(Int64((task.endedAt ?? task.createdAt).unixSeconds)))
        }
        // The provider's Python client takes any URL in a record without this member for a result.
        record["response"] = .object(JSONObject())
        if task.recordShowsOutcome { record["response"] = task.record }
        if case .failed(let failure) = task.phase, !task.recordShowsOutcome {
            record["response"] = failed(failure, of: task)
        }
        return .object(record)
    }

    func batch(_ records: [JSONValue]) -> JSONValue {
        ["items": .array(records), "count": .number(JSONNumber(records.count))]
    }

    /// The provider answers with what its records have under `response`.
    func inline(_ task: GatewayTask) -> GatewayReply {
        if case .failed(let failure) = task.phase {
            let status = failure.httpStatus.flatMap { 400...499 ~= $0 && ![408, 409, 429].contains($0) ? $0 : nil }
            let answer =
                task.recordShowsOutcome ? task.record?["response"].flatMap { $0.object == nil ? nil : $0 } : nil
            return GatewayReply(status: status ?? 400, answer ?? failed(failure, of: task))
        }
        let answer = task.record?["response"].flatMap { $0.object == nil ? nil : $0 }
        return GatewayReply(answer ?? task.record ?? .object(JSONObject()))
    }

    private func failed(_ failure: TaskFailure, of task: GatewayTask) -> JSONValue {
        [
            "success": false, "task_id": .string(task.id.text),
            "error": ["code": .string(failure.code), "message": .string(failure.message)],
        ]
    }

    func pollDelay(_ wait: Duration) -> (name: String, value: String)? { nil }
    var callbackParameter: String? { nil }
    var resultIsFile: Bool { false }
}

extension InferredDialect {
    var gateway: any GatewayDialect { InferredGateway(dialect: self) }
}
