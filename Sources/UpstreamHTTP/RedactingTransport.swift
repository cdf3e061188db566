package import ProviderCatalog
import Text

/// RedactingTransport takes secrets out of everything that comes back from a provider, and out of what went wrong on the
/// way, before anybody reads it.
///
/// An address that a provider gave for its task may hold the token. It is kept without, and gets the token back when a
/// request goes there: to a host that may have it, which was checked when the request was made.
package struct RedactingTransport: UpstreamTransport {
    private let base: any UpstreamTransport
    private let redactor: SecretRedactor
    /// By the provider's name; what it is shown as it is, not keys to sign with.
    private let tokens: [String: String]

    package init(_ base: any UpstreamTransport, redactor: SecretRedactor, tokens: [String: String] = [:]) {
        self.base = base
        self.redactor = redactor
        self.tokens = tokens
    }

    package func send(
        _ request: UpstreamRequest, to provider: String, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        do throws(UpstreamTransportError) {
            let reply = try await base.send(
                restored(request, for: provider), to: provider, isPaid: isPaid, timeout: timeout)
            return reply.replacing(
                headers: reply.headers.mapValues { redactor.redacted($0) }, body: redactor.redacted(body: reply.body))
        } catch {
            switch error {
            case .notSent(let words): throw .notSent(redactor.redacted(words))
            case .interrupted(let words): throw .interrupted(redactor.redacted(words))
            case .tooLarge, .cancelled: throw error
            }
        }
    }

    package func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }

    private func restored(_ request: UpstreamRequest, for provider: String) -> UpstreamRequest {
        guard let url = request.url, url.contains(SecretRedactor.mark), let token = tokens[provider] else {
            return request
        }
        return UpstreamRequest(
            method: request.method, path: request.path,
            url: url.replacing(SecretRedactor.mark, with: token.percentEncoded()), headers: request.headers,
            body: request.body)
    }
}
