import ProviderCatalog
import TaskModel

/// Sends status queries and counts them.
struct QuerySender: Sendable {
    let transport: any UpstreamTransport
    let meter: PollRateCounter
    let timeout: Duration

    /// Sends a query about tasks of the account's service. The caller has a token of the account's rate.
    func send(
        _ query: UpstreamRequest, by endpoint: AccountEndpoint
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        meter.count(endpoint.name.service)
        return try await transport.send(query, by: endpoint.owner, isPaid: false, timeout: timeout)
    }
}
