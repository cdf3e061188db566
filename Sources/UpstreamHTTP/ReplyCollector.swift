import AsyncHTTPClient
import BoundedMemory
import NIOCore
import NIOHTTP1
import ProviderCatalog
import Synchronization
import TaskModel

/// Gathers one reply, up to a size, and remembers whether anything of the request had gone out.
///
/// At most ``ReplyMemory/perReply`` of its body is in memory while it comes; the rest stands in a temporary file, so that a
/// reply that was paid for is never refused and no reply waits for another that waits for it.
final class ReplyCollector: HTTPClientResponseDelegate, Sendable {
    typealias Response = UpstreamReply

    /// The reply is larger than is taken.
    struct ReplyTooLarge: Error {}

    private struct State: ~Copyable {
        var hasSentHead = false
        var status = 0
        var headers: [String: String] = [:]
        var body: SpillQueue
        /// What is reserved of the budget for a body in memory; nothing where the caller has reserved it.
        var reserved = 0
    }

    private let state: Mutex<State>
    private let memory: ReplyMemory
    private let room: ByteBudget.Reservation?
    private let maxBytes: Int
    private let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable () -> Void

    /// `isReserved` says that the caller holds room for the first part of the body, as for a paid reply.
    init(
        maxBytes: Int, memory: ReplyMemory, isReserved: Bool, now: @escaping @Sendable () -> Timestamp,
        requestSent: @escaping @Sendable () -> Void
    ) {
        state = Mutex(State(body: SpillQueue(limit: ReplyMemory.perReply, directory: memory.directory)))
        self.memory = memory
        room = isReserved ? nil : memory.budget.reserve(0)
        self.maxBytes = maxBytes
        self.now = now
        self.requestSent = requestSent
    }

    /// Whether a byte of the request may have left us.
    var hasSentHead: Bool { state.withLock { $0.hasSentHead } }

    func didSendRequestHead(task: HTTPClient.Task<UpstreamReply>, _ head: HTTPRequestHead) {
        state.withLock { $0.hasSentHead = true }
    }

    func didSendRequest(task: HTTPClient.Task<UpstreamReply>) {
        requestSent()
    }

    func didReceiveHead(task: HTTPClient.Task<UpstreamReply>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        state.withLock { state in
            state.status = Int(head.status.code)
            for (name, value) in head.headers where state.headers[name.lowercased()] == nil {
                state.headers[name.lowercased()] = value
            }
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<UpstreamReply>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        let isTooLarge = state.withLock { state in
            guard state.body.count + part.readableBytes <= maxBytes else { return true }
            state.body.append(part.readableBytesView)
            let more = state.body.bytesInMemory - state.reserved
            if let room, more > 0 {
                if room.grow(by: more) { state.reserved += more } else { state.body.spill() }
            }
            return false
        }
        return isTooLarge ? task.eventLoop.makeFailedFuture(ReplyTooLarge()) : task.eventLoop.makeSucceededVoidFuture()
    }

    /// The reply without its body, which ``complete(_:)`` adds.
    func didFinishRequest(task: HTTPClient.Task<UpstreamReply>) throws -> UpstreamReply { head }

    /// What has come of it so far, without its body; nil before the head has.
    var received: UpstreamReply? { state.withLock { $0.status > 0 } ? head : nil }

    private var head: UpstreamReply {
        state.withLock { state in
            UpstreamReply(
                status: state.status,
                retryAfter: state.headers["retry-after"].flatMap { RetryAfter.read($0, now: now()) },
                date: state.headers["date"].flatMap { HTTPDate.read($0, now: now()) }, headers: state.headers, body: [])
        }
    }

    /// The reply with its body; waits until there is memory for one that was too large for it. Call it once.
    func complete(_ reply: UpstreamReply) async throws(SpillQueue.Unreadable) -> UpstreamReply {
        var held = room
        let size = state.withLock { state in
            if state.body.hasSpilled { state.body.spill() }
            return state.body.hasSpilled ? state.body.count : 0
        }
        if size > 0 {
            // Nothing is held while it waits, so those who wait cannot stop each other.
            held?.release()
            held = await memory.room(for: size)
        }
        let body = try state.withLock { state throws(SpillQueue.Unreadable) in try state.body.takeAll() }
        return UpstreamReply(
            status: reply.status, retryAfter: reply.retryAfter, date: reply.date, headers: reply.headers, body: body,
            room: ReplyRoom(held))
    }
}
