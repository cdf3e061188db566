import ProviderCatalog
import TaskModel

/// Sends status queries and counts them.
struct QuerySender: Sendable {
    let transport: any UpstreamTransport
    let meter: PollRateCounter
    let timeout: Duration

    /// Sends a query about tasks of the service. The caller has a token of the provider's rate.
    func send(
        _ query: UpstreamRequest, of service: ServiceName, to provider: ProviderName
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        meter.count(service)
        return try await transport.send(query, to: provider, isPaid: false, timeout: timeout)
    }
}
