package import TaskModel

/// What holds one kind of request back.
package struct CircuitState: Sendable, Hashable {
    /// Which requests a gate is for.
    package enum Kind: String, Sendable, CaseIterable {
        /// Paid requests of an endpoint.
        case submissions
        /// Status queries of a service.
        case polls
        /// Everything that an account may be refused for.
        case provider
    }

    /// Why nothing may pass until a person lifts it.
    package struct Pause: Sendable, Hashable {
        /// `paused` by a person, else the provider's code.
        package let code: String
        package let message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    package let kind: Kind
    /// An endpoint, a service or a provider.
    package let name: String
    /// The account whose requests it holds back; nil for a pause of an endpoint, which holds for all accounts.
    package let account: AccountName?
    package var pause: Pause?
    /// Failures in a row.
    package var failures: Int = 0
    /// Nothing passes before this point.
    package var closedUntil: Timestamp?
    package var lastError: TaskFailure?
    package var lastErrorAt: Timestamp?
    /// Grows with every change; the store keeps the newest.
    package var revision: Int = 0

    /// An open gate.
    package init(kind: Kind, name: String, account: AccountName? = .default) {
        self.kind = kind
        self.name = name
        self.account = account
    }
}
