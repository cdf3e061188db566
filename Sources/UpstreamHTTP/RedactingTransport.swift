package import ProviderCatalog
package import TaskModel
import Text

/// Redacts secrets from provider replies and transport errors.
///
/// A provider's task URL may contain the token. It is stored without the token. Requests to it get the token back;
/// the caller has checked that the host may receive it.
package struct RedactingTransport: UpstreamTransport {
    private let base: any UpstreamTransport
    @Current private var redactor: SecretRedactor
    /// Only tokens that requests contain, not signing keys.
    @Current private var tokens: [ProviderAccount: String]

    package init(
        _ base: any UpstreamTransport, redactor: Current<SecretRedactor>,
        tokens: Current<[ProviderAccount: String]> = Current(always: [:])
    ) {
        self.base = base
        _redactor = redactor
        _tokens = tokens
    }

    package func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        do throws(UpstreamTransportError) {
            let reply = try await base.send(
                restored(request, for: account), by: account, isPaid: isPaid, timeout: timeout)
            // Read after the reply, which may repeat a token that was loaded in the meantime.
            let redactor = redactor
            return reply.replacing(
                headers: reply.headers.mapValues { redactor.redacted($0) }, body: redactor.redacted(body: reply.body))
        } catch {
            switch error {
            case .notSent(let words): throw .notSent(redactor.redacted(words))
            case .interrupted(let words): throw .interrupted(redactor.redacted(words))
            case .tooLarge, .outdated, .leaseExpired, .cancelled: throw error
            }
        }
    }

    package func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }

    private func restored(_ request: UpstreamRequest, for account: ProviderAccount) -> UpstreamRequest {
        guard let url = request.url, url.contains(SecretRedactor.mark), let token = tokens[account] else {
            return request
        }
        var restored = UpstreamRequest(
            method: request.method, path: request.path,
            url: url.replacing(SecretRedactor.mark, with: token.percentEncoded()), headers: request.headers,
            body: request.body)
        restored.baseURL = request.baseURL
        restored.contentType = request.contentType
        return restored
    }
}
