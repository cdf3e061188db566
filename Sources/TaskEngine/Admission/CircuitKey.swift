package import TaskModel
import TaskStore

/// The requests that a circuit breaker or a pause controls.
package enum CircuitKey: Sendable, Hashable, CustomStringConvertible {
    /// Paid requests of an endpoint by any account. It has pauses only.
    case endpoint(EndpointName)
    /// Paid requests of an endpoint by one account.
    case submissions(EndpointName, AccountName)
    /// Status queries of an account's service.
    case polls(AccountService)
    /// All requests of an account.
    case account(ProviderAccount)

    init?(_ stored: CircuitState) {
        switch (stored.kind, stored.account) {
        case (.submissions, let account):
            guard let endpoint = EndpointName(stored.name) else { return nil }
            self = account.map { .submissions(endpoint, $0) } ?? .endpoint(endpoint)
        case (.polls, let account):
            guard let service = ServiceName(stored.name) else { return nil }
            self = .polls(AccountService(service, of: account ?? .default))
        case (.provider, let account):
            guard let provider = ProviderName(stored.name) else { return nil }
            self = .account(ProviderAccount(provider: provider, account: account ?? .default))
        }
    }

    /// The stored form of a closed breaker.
    var closed: CircuitState {
        switch self {
        case .endpoint(let endpoint): CircuitState(kind: .submissions, name: endpoint.text, account: nil)
        case .submissions(let endpoint, let account):
            CircuitState(kind: .submissions, name: endpoint.text, account: account)
        case .polls(let service): CircuitState(kind: .polls, name: service.service.text, account: service.account)
        case .account(let account):
            CircuitState(kind: .provider, name: account.provider.text, account: account.account)
        }
    }

    /// `endpoint image/make`
    package var description: String {
        switch self {
        case .endpoint(let endpoint): "endpoint \(endpoint)"
        case .submissions(let endpoint, let account):
            account == .default ? "endpoint \(endpoint)" : "endpoint \(endpoint) (account \(account))"
        case .polls(let service): "service \(service)"
        case .account(let account): "\(account)"
        }
    }
}
