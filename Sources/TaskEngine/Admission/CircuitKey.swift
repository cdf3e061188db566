package import TaskModel
import TaskStore

/// What a circuit breaker guards.
package enum CircuitKey: Sendable, Hashable, CustomStringConvertible {
    /// Paid requests of an endpoint.
    case submissions(EndpointName)
    /// Status queries of a service.
    case polls(ServiceName)
    /// All requests that a provider's account may be refused for.
    case provider(ProviderName)

    init?(_ stored: CircuitState) {
        switch stored.kind {
        case .submissions:
            guard let endpoint = EndpointName(stored.name) else { return nil }
            self = .submissions(endpoint)
        case .polls:
            guard let service = ServiceName(stored.name) else { return nil }
            self = .polls(service)
        case .provider:
            guard let provider = ProviderName(stored.name) else { return nil }
            self = .provider(provider)
        }
    }

    /// A closed breaker, as the store keeps it.
    var closed: CircuitState {
        switch self {
        case .submissions(let endpoint): CircuitState(kind: .submissions, name: endpoint.text)
        case .polls(let service): CircuitState(kind: .polls, name: service.text)
        case .provider(let provider): CircuitState(kind: .provider, name: provider.text)
        }
    }

    /// `endpoint image/make`
    package var description: String {
        switch self {
        case .submissions(let endpoint): "endpoint \(endpoint)"
        case .polls(let service): "service \(service)"
        case .provider(let provider): "provider \(provider)"
        }
    }
}
