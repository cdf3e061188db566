import AsyncHTTPClient
import FoundationEssentials
package import NIOCore
package import ProviderCatalog
package import TaskEngine
package import TaskModel
import TaskStore
package import UpstreamHTTP
package import VerbatimJSON

/// Sender sends notifications to destinations of every kind.
package struct Sender: NotificationSender {
    private let webhooks: WebhookClient
    private let programs: ProgramRunner
    private let body: @Sendable (TaskNotification, Set<Destination.Part>) -> JSONValue
    @Current private var trust: TrustSettings
    private let now: @Sendable () -> Timestamp

    /// `body` makes what a receiver reads. `trust` are the authorities that https connections rely on.
    package init(
        agent: String, eventLoopGroup: any EventLoopGroup, trust: Current<TrustSettings>, programs: ProgramRunner,
        now: @escaping @Sendable () -> Timestamp,
        body: @escaping @Sendable (TaskNotification, Set<Destination.Part>) -> JSONValue
    ) {
        webhooks = WebhookClient(agent: agent, trust: trust.wrappedValue, eventLoopGroup: eventLoopGroup)
        self.programs = programs
        self.body = body
        _trust = trust
        self.now = now
    }

    package func send(
        _ notification: TaskNotification, to destination: Destination, at now: Timestamp
    ) async -> DeliveryQueue.Outcome {
        let json = body(notification, destination.parts)
        let body = json.utf8
        switch destination.target {
        case .url(let url): return await post(body, notification, to: url, destination.secrets)
        case .socket(let path):
            guard let url = URL(httpURLWithSocketPath: path, uri: "/") else {
                return .failed(DeliveryFailure(reason: "the path of the socket cannot be used"))
            }
            return await post(body, notification, to: url.absoluteString, destination.secrets)
        case .program(let arguments):
            let task = json["data"]?["task"] ?? [:]
            return await programs.run(arguments, with: task.utf8, about: notification)
        }
    }

    private func post(
        _ body: [UInt8], _ notification: TaskNotification, to url: String, _ secrets: [[UInt8]]
    ) async -> DeliveryQueue.Outcome {
        webhooks.trust(trust)
        let headers = WebhookSignature.headers(id: notification.id, at: now(), body: body, secrets: secrets)
        return await webhooks.post(body, to: url, headers: headers, now: now)
    }

    /// Ends programs that run, and closes all connections.
    package func shutdown() async throws {
        try await programs.shutdown()
        try await webhooks.shutdown()
    }
}
