package import ProviderCatalog
package import TaskModel

/// RenewingTransport has the token read anew if a provider rejects it.
///
/// A rejected query is repeated once with the new token. A rejected paid request is not: its reply says that the token
/// has been replaced, and the task goes back to the queue.
package struct RenewingTransport: UpstreamTransport {
    private let base: any UpstreamTransport
    @Current private var tokens: [ProviderName: String]
    private let renew: @Sendable (ProviderName) async -> Void

    /// `tokens` are those in force, by provider name. `renew` reads that of a provider again.
    package init(
        _ base: any UpstreamTransport, tokens: Current<[ProviderName: String]>,
        renew: @escaping @Sendable (ProviderName) async -> Void
    ) {
        self.base = base
        _tokens = tokens
        self.renew = renew
    }

    package func send(
        _ request: UpstreamRequest, to provider: ProviderName, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let token = tokens[provider]
        var reply = try await base.send(request, to: provider, isPaid: isPaid, timeout: timeout)
        guard reply.status == 401 else { return reply }
        await renew(provider)
        guard let renewed = tokens[provider], renewed != token else { return reply }
        if !isPaid { return try await base.send(request, to: provider, isPaid: false, timeout: timeout) }
        reply.rejectsReplacedToken = true
        return reply
    }

    package func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }
}
