import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// Sends the body to the URL and returns the HTTP status, or nil if there was no response.
package typealias CallbackSender = @Sendable (_ url: String, _ body: [UInt8]) async -> Int?

/// Sends the provider's callbacks at their due times.
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

    /// Schedules the callbacks of a task. Returns after sending those due before the submit reply.
    ///
    /// `wording` builds the body of each call; the default is the main provider's format.
    func plan(
        _ task: SimulatedTask, to url: String?, number: Int,
        wording: (@Sendable (CallbackCall) -> [UInt8])? = nil
    ) async {
        guard let url else { return }
        for call in task.callbacks(provider.callbackFaults(submit: number)) {
            let order = Order(
                call: call, url: url, body: { wording?(call) ?? task.body(of: call) }, taskID: task.identity.taskID)
            if call.kind == .early { await make(order) } else { inbox.yield(order) }
        }
    }

    /// Sends due callbacks until it is cancelled.
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
        if order.call.hidesTaskAfterwards { provider.forget(order.taskID) }
        let at = provider.now
        let status = await sender(order.url, order.body())
        provider.note(CallbackRecord(kind: order.call.kind, at: at, status: status), of: order.taskID)
        logger.info(
            "Called back",
            metadata: [
                "task_id": "\(order.taskID)", "kind": "\(order.call.kind.rawValue)",
                "status": "\(status.map(String.init) ?? "no answer")",
            ])
    }
}

/// Sends callbacks over HTTP: one attempt, no redirects, a timeout of five seconds.
enum CallbackClient {
    /// Creates a client that the caller must shut down. Tests with self-signed certificates disable verification.
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

    /// Sends one callback and returns the HTTP status, or nil if there was no response.
    static func send(_ body: [UInt8], to url: String, by client: HTTPClient) async -> Int? {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "Connection", value: "close")
        request.body = .bytes(body)
        return (try? await client.execute(request, timeout: .seconds(5))).map { Int($0.status.code) }
    }
}
