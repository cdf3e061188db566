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

    /// The body, read.
    package var body: JSONObject {
        (try? JSONValue(parsing: request.body ?? [], limits: .lenient))?.object ?? JSONObject()
    }

    /// What kind of query it is: `retrieve`, `retrieve_batch`; nil for a submission.
    package var action: String? { isPaid ? nil : body["action"]?.string }

    /// Whether it asks for the provider's own list, rather than for ids.
    package var isListing: Bool { action == "retrieve_batch" && body["ids"] == nil }

    /// The ids that a batch look-up names.
    package var ids: [String] { body["ids"]?.array?.compactMap(\.string) ?? [] }
}

/// A provider that a test plays.
///
/// Every request is recorded before it is answered. What nothing was scripted for is `interrupted`, and counted, so
/// that a test can demand that there was none.
package final class ScriptedTransport: UpstreamTransport {
    /// Decides the answer to one request.
    package typealias Script = @Sendable (SentRequest) async throws(UpstreamTransportError) -> UpstreamReply

    private struct State {
        var script: Script?
        var queue: [Result<UpstreamReply, UpstreamTransportError>] = []
        var sent: [SentRequest] = []
        var unscripted = 0
        var rooms: @Sendable () -> ReplyRoom? = { ReplyRoom() }
    }

    private let state: Mutex<State>

    /// Answers by the script, once the queue of ``enqueue(_:)`` is used up.
    package init(_ script: Script? = nil) {
        state = Mutex(State(script: script))
    }

    /// Gives room for paid replies in this way from now on.
    package func giveRoom(_ rooms: @escaping @Sendable () -> ReplyRoom?) { state.withLock { $0.rooms = rooms } }

    package func roomForPaidReply() -> ReplyRoom? { state.withLock { $0.rooms }() }

    /// Answers by this script from now on.
    package func play(_ script: @escaping Script) { state.withLock { $0.script = script } }

    /// Answers the next requests, whatever they are, in this order.
    package func enqueue(_ answers: UpstreamReply...) { state.withLock { $0.queue += answers.map { .success($0) } } }

    /// Fails the next request.
    package func enqueue(_ error: UpstreamTransportError) { state.withLock { $0.queue.append(.failure(error)) } }

    /// Everything that was sent, in order.
    package var sent: [SentRequest] { state.withLock { $0.sent } }
    /// The paid requests among them.
    package var paid: [SentRequest] { sent.filter(\.isPaid) }
    /// The status queries among them.
    package var queries: [SentRequest] { sent.filter { !$0.isPaid } }
    /// Requests that nothing was scripted for.
    package var unscripted: Int { state.withLock { $0.unscripted } }

    /// Forgets what was sent.
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

    /// A reply with any text.
    package static func text(_ body: String, status: Int) -> UpstreamReply {
        UpstreamReply(status: status, body: Array(body.utf8))
    }

    /// The reply that a submission was taken.
    package static func accepted(_ id: String) -> UpstreamReply {
        json(["success": true, "task_id": .string(id), "trace_id": "trace-1"])
    }

    /// An error in the provider's own form.
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

/// Records of tasks, as the general shape of the provider has them.
package enum Record {
    /// It is being worked on.
    package static func pending(_ id: String) -> JSONValue {
        ["id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000]
    }

    /// It has its result.
    package static func succeeded(_ id: String) -> JSONValue {
        [
            "id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000,
            "finished_at": 1_795_000_031,
            "response": [
                "success": true, "task_id": .string(id), "data": [["image_url": "https://cdn.example/1.png"]],
            ],
        ]
    }

    /// It failed, and says why.
    package static func failed(_ id: String) -> JSONValue {
        [
            "id": .string(id), "request": ["prompt": "a cat"], "created_at": 1_795_000_000,
            "finished_at": 1_795_000_031,
            "response": ["success": false, "error": ["code": "forbidden", "message": "Moderation."]],
        ]
    }

    /// One of the provider's own list, with the request that it echoes.
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
