import ProviderCatalog
import TaskModel

/// Sends status queries and counts them.
struct QuerySender: Sendable {
    let transport: any UpstreamTransport
    let meter: PollRateCounter
    let metrics: EngineMetrics
    let timeout: Duration

    /// Sends a query about tasks of the account's service. The caller has a token of the account's rate.
    func send(
        _ query: UpstreamRequest, by endpoint: AccountEndpoint
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        meter.count(endpoint.name.service)
        do throws(UpstreamTransportError) {
            let reply = try await transport.send(query, by: endpoint.owner, isPaid: false, timeout: timeout)
            metrics.noteQuery(of: endpoint.name.service, EngineMetrics.QueryOutcome(status: reply.status))
            return reply
        } catch {
            metrics.noteQuery(of: endpoint.name.service, error.outcome)
            throw error
        }
    }
}

extension UpstreamTransportError {
    fileprivate var outcome: EngineMetrics.QueryOutcome {
        switch self {
        case .notSent, .outdated, .leaseExpired: .notSent
        case .interrupted, .tooLarge, .cancelled: .lost
        }
    }
}
