package import TaskModel

/// What blocks one kind of request.
package struct CircuitState: Sendable, Hashable {
    /// The requests that a circuit concerns.
    package enum Kind: String, Sendable, CaseIterable {
        /// Paid requests of an endpoint.
        case submissions
        /// Status queries of a service.
        case polls
        /// All requests of an account.
        case provider
    }

    /// Why no request may pass until a person resumes the circuit.
    package struct Pause: Sendable, Hashable {
        /// `paused` for a pause by a person, else the provider's code.
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
    /// The account whose requests it blocks; nil for a pause of an endpoint, which holds for all accounts.
    package let account: AccountName?
    package var pause: Pause?
    /// Failures in a row.
    package var failures: Int = 0
    /// The time until which no request passes.
    package var closedUntil: Timestamp?
    package var lastError: TaskFailure?
    package var lastErrorAt: Timestamp?
    /// Grows with every change; the store keeps the newest.
    package var revision: Int = 0

    /// Creates a closed circuit, which lets requests pass.
    package init(kind: Kind, name: String, account: AccountName? = .default) {
        self.kind = kind
        self.name = name
        self.account = account
    }
}
