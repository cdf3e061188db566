import AsyncHTTPClient
import BoundedMemory
import NIOCore
import NIOHTTP1
import ProviderCatalog
import Synchronization
import TaskModel

/// Collects one reply up to a size limit, and records whether any part of the request was written.
///
/// Keeps at most ``ReplyMemory/perReply`` of the body in memory while it arrives, and the rest in a temporary file.
/// So a paid reply is never rejected for lack of memory, and replies cannot deadlock on memory.
final class ReplyCollector: HTTPClientResponseDelegate, Sendable {
    typealias Response = UpstreamReply

    /// The reply exceeds the size limit.
    struct ReplyTooLarge: Error {}

    private struct State: ~Copyable {
        var hasSentHead = false
        var status = 0
        var headers: [String: String] = [:]
        var body: SpillQueue
        /// The reserved part of the body in memory; 0 if the caller reserved it.
        var reserved = 0
    }

    private let state: Mutex<State>
    private let memory: ReplyMemory
    private let room: ByteBudget.Reservation?
    private let maxBytes: Int
    private let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable () -> Void

    /// `isReserved` means that the caller reserved memory for the first part of the body, as for a paid reply.
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

    /// Whether any byte of the request may have been sent.
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

    /// The reply so far, without its body; nil before its head has arrived.
    var received: UpstreamReply? { state.withLock { $0.status > 0 } ? head : nil }

    private var head: UpstreamReply {
        state.withLock { state in
            UpstreamReply(
                status: state.status,
                retryAfter: state.headers["retry-after"].flatMap { RetryAfter.read($0, now: now()) },
                date: state.headers["date"].flatMap { HTTPDate.read($0, now: now()) }, headers: state.headers, body: [])
        }
    }

    /// Adds the body to the reply. Waits for memory if the body is in a file. Call it once.
    func complete(_ reply: UpstreamReply) async throws(SpillQueue.Unreadable) -> UpstreamReply {
        var held = room
        let size = state.withLock { state in
            if state.body.hasSpilled { state.body.spill() }
            return state.body.hasSpilled ? state.body.count : 0
        }
        if size > 0 {
            // Releases its memory before it waits, so that waiting replies cannot deadlock.
            held?.release()
            held = await memory.room(for: size)
        }
        let body = try state.withLock { state throws(SpillQueue.Unreadable) in try state.body.takeAll() }
        return UpstreamReply(
            status: reply.status, retryAfter: reply.retryAfter, date: reply.date, headers: reply.headers, body: body,
            room: ReplyRoom(held))
    }
}
