import AsyncHTTPClient
import FoundationEssentials
package import NIOCore
package import ProviderCatalog
package import TaskEngine
package import TaskModel
import TaskStore
import Text
package import UpstreamHTTP
package import VerbatimJSON

/// Sender sends notifications to destinations of every kind.
package struct Sender: NotificationSender {
    private let webhooks: WebhookClient
    private let programs: ProgramRunner
    private let body: @Sendable (TaskNotification, Set<Destination.Part>) -> JSONValue
    @Current private var trust: TrustSettings
    private let now: @Sendable () -> Timestamp
    private let agent: String
    private let eventLoopGroup: any EventLoopGroup
    private let lookUp: AddressCheck.LookUp

    /// `body` makes what a receiver reads. `trust` are the authorities that https connections rely on. `lookUp` resolves the hosts
    /// that tasks bring.
    package init(
        agent: String, eventLoopGroup: any EventLoopGroup, trust: Current<TrustSettings>, programs: ProgramRunner,
        lookUp: @escaping AddressCheck.LookUp = SystemResolver.lookUp, now: @escaping @Sendable () -> Timestamp,
        body: @escaping @Sendable (TaskNotification, Set<Destination.Part>) -> JSONValue
    ) {
        webhooks = WebhookClient(agent: agent, trust: trust.wrappedValue, eventLoopGroup: eventLoopGroup)
        self.programs = programs
        self.body = body
        _trust = trust
        self.now = now
        self.agent = agent
        self.eventLoopGroup = eventLoopGroup
        self.lookUp = lookUp
    }

    package func send(
        _ notification: TaskNotification, to destination: Destination, at now: Timestamp
    ) async -> DeliveryQueue.Outcome {
        let json = notification.body ?? body(notification, destination.parts)
        let body = json.utf8
        switch destination.target {
        case .url(let url): return await post(body, notification, to: url, destination.secrets)
        case .socket(let path):
            guard let url = URL(httpURLWithSocketPath: path, uri: "/") else {
                return .failed(DeliveryFailure(reason: "the path of the socket cannot be used"))
            }
            return await post(body, notification, to: url.absoluteString, destination.secrets)
        case .taskURLs(let policy):
            return await postToOwn(body, notification, policy)
        case .callbacks: return await postToOwn(body, notification, .loopback)
        case .program(let arguments):
            let task = json["data"]?["task"] ?? (notification.detail.map { .object($0) } ?? [:])
            return await programs.run(arguments, with: task.utf8, about: notification)
        }
    }

    private func post(
        _ body: [UInt8], _ notification: TaskNotification, to url: String, _ secrets: [[UInt8]]
    ) async -> DeliveryQueue.Outcome {
        webhooks.trust(trust)
        let headers = WebhookSignature.headers(id: notification.id, at: now(), body: body, secrets: secrets)
        return await webhooks.post(body, to: url, headers: headers, now: now).outcome
    }

    /// Posts to the address that the task brought.
    private func postToOwn(
        _ body: [UInt8], _ notification: TaskNotification, _ policy: TaskURLPolicy
    ) async -> DeliveryQueue.Outcome {
        guard let url = notification.task?.task.notify.map(Destination.address) else {
            return .failed(DeliveryFailure(reason: "each task has its own address"))
        }
        return await WebhookClient.inTime { await postChecked(body, notification, to: url, policy) }.outcome
    }

    /// The most addresses of one host that are tried.
    private static let mostAddresses = 3

    /// Posts to an address that a task brought. Its host is resolved once, and the connection goes to a checked address.
    private func postChecked(
        _ body: [UInt8], _ notification: TaskNotification, to text: String, _ policy: TaskURLPolicy
    ) async -> WebhookClient.Reply {
        guard policy.refusal(of: text) == nil, let url = HTTPURL(text) else {
            return .init(outcome: .rejected(DeliveryFailure(reason: "the settings do not allow the address")))
        }
        let addresses: [IPAddress]
        do throws(AddressCheck.Refusal) {
            let check = AddressCheck(allowing: policy == .loopback ? [.loopback] : [], lookUp: lookUp)
            addresses = try await check.addresses(of: url.authority)
        } catch {
            return .init(outcome: error.outcome)
        }
        let headers = WebhookSignature.headers(id: notification.id, at: now(), body: body, secrets: [])
        var reply = WebhookClient.Reply(outcome: .notSent)
        for address in addresses.prefix(Self.mostAddresses) {
            // Its connections serve only this host.
            let client = WebhookClient(
                agent: agent, trust: trust, eventLoopGroup: eventLoopGroup, pin: (url.authority, address))
            reply = await client.post(body, to: text.withLowercaseHost, headers: headers, now: now)
            // The request has ended, so a failure here loses nothing.
            try? await client.shutdown()
            guard reply.isUnreachable else { break }
        }
        return reply
    }

    /// Ends programs that run, and closes all connections.
    package func shutdown() async throws {
        try await programs.shutdown()
        try await webhooks.shutdown()
    }
}

extension AddressCheck.Refusal {
    /// What it means for a notification. A name may have an address later.
    fileprivate var outcome: DeliveryQueue.Outcome {
        let failure = DeliveryFailure(reason: reason)
        return if case .notFound = self { .failed(failure) } else { .rejected(failure) }
    }

    /// The message as the end of a sentence.
    private var reason: String {
        switch self {
        case .special(let range, let host): "the host \(host) has \(range.rawValue)"
        case .ambiguous(let host): "the host \(host) is neither a name nor an address as they are usually written"
        case .notFound(let host): "the host \(host) has no address"
        }
    }
}

extension String {
    /// An address with its host as ``HTTPURL/authority`` has it.
    fileprivate var withLowercaseHost: String {
        guard let mark = firstRange(of: "://") else { return self }
        let end = self[mark.upperBound...].firstIndex { "/?".contains($0) } ?? endIndex
        return self[..<end].lowercased() + self[end...]
    }
}
