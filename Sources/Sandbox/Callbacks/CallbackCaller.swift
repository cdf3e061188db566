import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// How a call is made: the URL and the body; returns the status of the answer, nil where nobody answered.
package typealias CallbackSender = @Sendable (_ url: String, _ body: [UInt8]) async -> Int?

/// Makes the provider's calls when their time comes, beside everything else.
final class CallbackCaller: Sendable {
    private struct Order: Sendable {
        let call: CallbackCall
        let url: String
        let body: @Sendable () -> [UInt8]
        let taskID: String
    }

    private let orders: AsyncStream<Order>
    private let inbox: AsyncStream<Order>.Continuation
    private let provider: SimulatedProvider
    private let sender: CallbackSender
    private let logger: Logger

    init(provider: SimulatedProvider, sender: @escaping CallbackSender, logger: Logger) {
        self.provider = provider
        self.sender = sender
        self.logger = logger
        (orders, inbox) = AsyncStream.makeStream()
    }

    /// Plans what is to be told of a task; returns once what comes before the reply to its submit has been told.
    ///
    /// `wording` has the body of each call; without it the provider's own.
    func plan(
        _ task: SimulatedTask, to url: String?, number: Int,
        wording: (@Sendable (CallbackCall) -> [UInt8])? = nil
    ) async {
        guard let url else { return }
        for call in task.callbacks(provider.callbackStrikes(submit: number)) {
            let order = Order(
                call: call, url: url, body: { wording?(call) ?? task.body(of: call) }, taskID: task.identity.taskID)
            if call.kind == .early { await make(order) } else { inbox.yield(order) }
        }
    }

    /// Makes what is planned, until it is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await order in orders {
                group.addTask {
                    let rest = order.call.at.timeIntervalSince(self.provider.now)
                    guard (try? await self.provider.settings.clock.sleep(.seconds(max(0, rest)))) != nil else { return }
                    await self.make(order)
                }
            }
        }
    }

    private func make(_ order: Order) async {
        if order.call.isLastWord { provider.forget(order.taskID) }
        let at = provider.now
        let status = await sender(order.url, order.body())
        provider.note(CallbackRecord(kind: order.call.kind, at: at, status: status), of: order.taskID)
        logger.info(
            "Called back",
            metadata: [
                "task_id": "\(order.taskID)", "kind": "\(order.call.kind.rawValue)",
                "status": "\(status.map(String.init) ?? "nobody answered")",
            ])
    }
}

/// Real calls over HTTP, each made once: no retries, no redirects, five seconds at most.
enum CallbackClient {
    /// A client to be shut down by its maker; without verification it takes any certificate, for tests with one of their own.
    static func make(verifiesCertificates: Bool) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout = HTTPClient.Configuration.Timeout(connect: .seconds(5), read: .seconds(5))
        if !verifiesCertificates {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.certificateVerification = .none
            configuration.tlsConfiguration = tls
        }
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Makes one call; the status of the answer, nil where nobody answered.
    static func send(_ body: [UInt8], to url: String, by client: HTTPClient) async -> Int? {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "Connection", value: "close")
        request.body = .bytes(body)
        return (try? await client.execute(request, timeout: .seconds(5))).map { Int($0.status.code) }
    }
}
