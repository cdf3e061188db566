/// How one sandbox behaves.
package struct SandboxSettings: Sendable {
    /// The address to listen on.
    package var host = "127.0.0.1"
    /// The TCP port; 0 takes any free one, which `SandboxServer` then tells.
    package var port = 0
    /// Everything random follows from this number and from the order of requests.
    package var seed: UInt64 = 1
    /// How many times faster than real the generations run; must be above 0. Fault delays are not scaled.
    package var speed: Double = 1
    /// What goes wrong, and how often.
    package var faults = FaultPlan.none
    /// Which bearer tokens are let in.
    package var tokens = AcceptedTokens.anyNonEmpty
    /// Rate and concurrency limits; none by default.
    package var limits = SandboxLimits()
    /// Where to write the ledger as JSON when the server stops; nil writes nothing.
    package var ledgerFile: String?
    /// How callbacks are made; nil makes real calls.
    package var callbackSender: CallbackSender?
    /// Whether the receiver's certificate must be good.
    package var verifiesCallbackCertificates = true
    /// The clock; a hand-moved one in tests.
    package var clock = SandboxClock.system

    /// Settings with every default; change what matters.
    package init() {}
}

/// Which bearer tokens the sandbox lets in.
///
/// `expired-token` and `used-up-token` are always refused with their documented errors.
package enum AcceptedTokens: Sendable {
    /// Any token that is not empty.
    case anyNonEmpty
    /// Only these; others get `invalid_token`.
    case only(Set<String>)
}

/// The provider's limits, answered with 429 when exceeded; nil means no limit.
package struct SandboxLimits: Sendable {
    /// Tasks queries per second and token, over a sliding second.
    package var pollsPerSecond: Int?
    /// Unfinished tasks per service and token; one more submit is refused as `rate_limited`.
    package var concurrentTasksPerService: Int?

    /// No limits unless named.
    package init(pollsPerSecond: Int? = nil, concurrentTasksPerService: Int? = nil) {
        self.pollsPerSecond = pollsPerSecond
        self.concurrentTasksPerService = concurrentTasksPerService
    }
}
