package import ProviderCatalog
import Synchronization
package import TaskModel
package import VerbatimJSON

/// One request that reached a ``ScriptedTransport``.
package struct SentRequest: Sendable {
    package let request: UpstreamRequest
    package let account: ProviderAccount
    package let isPaid: Bool
    package let timeout: Duration

    /// The parsed body.
    package var body: JSONObject {
        (try? JSONValue(parsing: request.body ?? [], limits: .lenient))?.object ?? JSONObject()
    }

    /// The action of a query, `retrieve` or `retrieve_batch`; nil for a submission.
    package var action: String? { isPaid ? nil : body["action"]?.string }

    /// Whether it is a query of the provider's list instead of ids.
    package var isListing: Bool { action == "retrieve_batch" && body["ids"] == nil }

    /// The ids of a batch look-up.
    package var ids: [String] { body["ids"]?.array?.compactMap(\.string) ?? [] }
}

/// A provider whose replies a test scripts.
///
/// It records every request before the reply. A request without a scripted reply fails as `interrupted` and is counted
/// in ``unscripted``.
package final class ScriptedTransport: UpstreamTransport {
    /// Returns the reply to a request.
    package typealias Script = @Sendable (SentRequest) async throws(UpstreamTransportError) -> UpstreamReply

    private struct State {
        var script: Script?
        var queue: [Result<UpstreamReply, UpstreamTransportError>] = []
        var sent: [SentRequest] = []
        var unscripted = 0
        var rooms: @Sendable () -> ReplyRoom? = { ReplyRoom() }
    }

    private let state: Mutex<State>

    /// Replies with the script when the queue of ``enqueue(_:)`` is empty.
    package init(_ script: Script? = nil) {
        state = Mutex(State(script: script))
    }

    /// Reserves room for paid replies with this closure from now on.
    package func giveRoom(_ rooms: @escaping @Sendable () -> ReplyRoom?) { state.withLock { $0.rooms = rooms } }

    package func roomForPaidReply() -> ReplyRoom? { state.withLock { $0.rooms }() }

    /// Replies with this script from now on.
    package func play(_ script: @escaping Script) { state.withLock { $0.script = script } }

    /// Replies to the next requests of any kind in this order.
    package func enqueue(_ answers: UpstreamReply...) { state.withLock { $0.queue += answers.map { .success($0) } } }

    /// Fails the next request.
    package func enqueue(_ error: UpstreamTransportError) { state.withLock { $0.queue.append(.failure(error)) } }

    /// All requests, in order.
    package var sent: [SentRequest] { state.withLock { $0.sent } }
    /// The paid requests.
    package var paid: [SentRequest] { sent.filter(\.isPaid) }
    /// The queries.
    package var queries: [SentRequest] { sent.filter { !$0.isPaid } }
    /// The number of requests without a scripted reply.
    package var unscripted: Int { state.withLock { $0.unscripted } }

    /// Removes the recorded requests.
    package func forget() { state.withLock { $0.sent = [] } }

    package func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let sent = SentRequest(request: request, account: account, isPaid: isPaid, timeout: timeout)
        let (queued, script) = state.withLock { state in
            state.sent.append(sent)
            if state.queue.isEmpty && state.script == nil { state.unscripted += 1 }
            return (state.queue.isEmpty ? nil : state.queue.removeFirst(), state.script)
        }
        if let queued { return try queued.get() }
        guard let script else { throw .interrupted("nothing was scripted for \(request.path)") }
        return try await script(sent)
    }
}

extension UpstreamReply {
    /// A reply with a JSON body.
    package static func json(_ body: JSONValue, status: Int = 200, retryAfter: Duration? = nil) -> UpstreamReply {
        UpstreamReply(status: status, retryAfter: retryAfter, body: body.utf8)
    }

    /// A reply with a text body.
    package static func text(_ body: String, status: Int) -> UpstreamReply {
        UpstreamReply(status: status, body: Array(body.utf8))
    }

    /// The reply to an accepted submission.
    package static func accepted(_ id: String) -> UpstreamReply {
        json(["success": true, "task_id": .string(id), "trace_id": "trace-1"])
    }

    /// An error in the provider's format.
    package static func error(_ code: String, status: Int, retryAfter: Duration? = nil) -> UpstreamReply {
        json(
            ["error": ["code": .string(code), "message": "No."], "trace_id": "trace-1"], status: status,
            retryAfter: retryAfter)
    }

    /// A list or batch of records.
    package static func items(_ records: [JSONValue]) -> UpstreamReply {
        json(["items": .array(records), "count": .number(JSONNumber(records.count))])
    }
}

/// Records of tasks in the provider's general format.
package enum Record {
    /// A record of a running task.
    package static func pending(_ id: String) -> JSONValue {
        ["id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000]
    }

    /// A record of a succeeded task.
    package static func succeeded(_ id: String) -> JSONValue {
        [
            "id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000,
            "finished_at": 1_795_000_031,
            "response": [
                "success": true, "task_id": .string(id), "data": [["image_url": "https://cdn.example/1.png"]],
            ],
        ]
    }

    /// A record of a failed task.
    package static func failed(_ id: String) -> JSONValue {
        [
            "id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000,
            "finished_at": 1_795_000_031,
            "response": ["success": false, "error": ["code": "forbidden", "message": "Moderation."]],
        ]
    }

    /// A record in the provider's list, with the echoed request.
    package static func listed(_ id: String, request: JSONValue?, at created: Timestamp?, type: String? = nil)
        -> JSONValue
    {
        var members: [(String, JSONValue)] = [("id", .string(id))]
        if let request { members.append(("request", request)) }
        if let created { members.append(("created_at", JSONNumber(created.unixSeconds).map { .number($0) } ?? .null)) }
        if let type { members.append(("type", .string(type))) }
        return .object(JSONObject(members))
    }
}
