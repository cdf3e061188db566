/// The settings of one sandbox.
package struct SandboxSettings: Sendable {
    /// The address to listen on.
    package var host = "127.0.0.1"
    /// The TCP port; 0 takes a free one, which `SandboxServer` reports.
    package var port = 0
    /// The seed. All randomness follows from it and the order of requests.
    package var seed: UInt64 = 1
    /// How many times faster than real the generations run. Must be positive. Fault delays are not scaled.
    package var speed: Double = 1
    /// The faults and how often they occur.
    package var faults = FaultPlan.none
    /// The accepted bearer tokens.
    package var tokens = AcceptedTokens.anyNonEmpty
    /// Rate and concurrency limits; none by default.
    package var limits = SandboxLimits()
    /// The file for the ledger JSON when the server stops; nil writes none.
    package var ledgerFile: String?
    /// Sends callbacks; nil sends them over HTTP.
    package var callbackSender: CallbackSender?
    /// Whether the receiver's certificate must be valid.
    package var verifiesCallbackCertificates = true
    /// The clock; tests use a manual one.
    package var clock = SandboxClock.system

    /// Creates the default settings.
    package init() {}
}

/// The bearer tokens that the sandbox accepts.
///
/// `expired-token`, `used-up-token` and `throttled-token` are always rejected with their documented errors.
package enum AcceptedTokens: Sendable {
    /// Any non-empty token.
    case anyNonEmpty
    /// Only these tokens; others get `invalid_token`.
    case only(Set<String>)
}

/// The provider's limits. Exceeding one gives 429; nil means no limit.
package struct SandboxLimits: Sendable {
    /// Tasks queries per second and token, over a sliding second.
    package var pollsPerSecond: Int?
    /// Unfinished tasks per service and token; one more submit is refused as `rate_limited`.
    package var concurrentTasksPerService: Int?

    /// Creates limits; there are none by default.
    package init(pollsPerSecond: Int? = nil, concurrentTasksPerService: Int? = nil) {
        self.pollsPerSecond = pollsPerSecond
        self.concurrentTasksPerService = concurrentTasksPerService
    }
}
