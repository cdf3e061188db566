package import ProviderCatalog
package import TaskModel

/// Reloads the token if a provider rejects it.
///
/// A rejected query is repeated once with the new token. A rejected paid request is not: its reply says that the token
/// has been replaced, and the task goes back to the queue.
package struct RenewingTransport: UpstreamTransport {
    private let base: any UpstreamTransport
    @Current private var tokens: [ProviderAccount: String]
    private let renew: @Sendable (ProviderAccount) async -> Void

    /// `tokens` are the current tokens by account. `renew` reads the token of an account again.
    package init(
        _ base: any UpstreamTransport, tokens: Current<[ProviderAccount: String]>,
        renew: @escaping @Sendable (ProviderAccount) async -> Void
    ) {
        self.base = base
        _tokens = tokens
        self.renew = renew
    }

    package func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let token = tokens[account]
        var reply = try await base.send(request, by: account, isPaid: isPaid, timeout: timeout)
        guard reply.status == 401 else { return reply }
        await renew(account)
        guard let renewed = tokens[account], renewed != token else { return reply }
        if !isPaid { return try await base.send(request, by: account, isPaid: false, timeout: timeout) }
        reply.rejectsReplacedToken = true
        return reply
    }

    package func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }
}
