import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ProviderCatalog
import Synchronization
import TaskModel

/// Gathers one reply, up to a size, and remembers whether anything of the request had gone out.
final class ReplyCollector: HTTPClientResponseDelegate, Sendable {
    typealias Response = UpstreamReply

    /// The reply is larger than is taken.
    struct ReplyTooLarge: Error {}

    private struct State {
        var hasSentHead = false
        var status = 0
        var headers: [String: String] = [:]
        var body: [UInt8] = []
    }

    private let state = Mutex(State())
    private let maxBytes: Int
    private let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable () -> Void

    init(
        maxBytes: Int, now: @escaping @Sendable () -> Timestamp, requestSent: @escaping @Sendable () -> Void
    ) {
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
            state.body.append(contentsOf: part.readableBytesView)
            return false
        }
        return isTooLarge ? task.eventLoop.makeFailedFuture(ReplyTooLarge()) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<UpstreamReply>) throws -> UpstreamReply { reply }

    /// What has come so far; nil before the head has.
    var received: UpstreamReply? { state.withLock { $0.status > 0 } ? reply : nil }

    private var reply: UpstreamReply {
        state.withLock { state in
            UpstreamReply(
                status: state.status,
                retryAfter: state.headers["retry-after"].flatMap { RetryAfter.read($0, now: now()) },
                date: state.headers["date"].flatMap { HTTPDate.read($0, now: now()) }, headers: state.headers,
                body: state.body)
        }
    }
}
