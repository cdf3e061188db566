package import ProviderCatalog

/// RedactingTransport takes secrets out of everything that comes back from a provider, and out of what went wrong on the
/// way, before anybody reads it.
package struct RedactingTransport: UpstreamTransport {
    private let base: any UpstreamTransport
    private let redactor: SecretRedactor

    package init(_ base: any UpstreamTransport, redactor: SecretRedactor) {
        self.base = base
        self.redactor = redactor
    }

    package func send(
        _ request: UpstreamRequest, to provider: String, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        do throws(UpstreamTransportError) {
            let reply = try await base.send(request, to: provider, isPaid: isPaid, timeout: timeout)
            return UpstreamReply(
                status: reply.status, retryAfter: reply.retryAfter, date: reply.date,
                headers: reply.headers.mapValues { redactor.redacted($0) }, body: redactor.redacted(body: reply.body))
        } catch {
            switch error {
            case .notSent(let words): throw .notSent(redactor.redacted(words))
            case .interrupted(let words): throw .interrupted(redactor.redacted(words))
            case .cancelled: throw .cancelled
            }
        }
    }
}
