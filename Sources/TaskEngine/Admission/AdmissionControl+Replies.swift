import ProviderCatalog
import TaskModel
import TaskStore

/// Adjusts breakers and rates by what replies say.
extension AdmissionControl {
    /// Takes what the reply to a paid request says about its endpoint and provider, beyond its task.
    func note(_ verdict: SubmitVerdict, of profile: EndpointProfile) async {
        let now = time.now()
        let circuit = CircuitKey.submissions(profile.name)
        if verdict.isThrottled {
            limiter.throttled(.submissions(profile.name), perSecond: callsPerSecond(of: profile.provider))
        }
        switch verdict {
        case .accepted, .answered:
            limiter.succeeded(.submissions(profile.name))
            await breakers.succeeded(circuit, at: now)
        case .throttled(let failure, let retryAfter):
            await breakers.failed(circuit, because: failure, retryAfter: retryAfter, at: now)
        case .stopped(let failure, .endpoint):
            await suspend(circuit, because: failure)
        case .stopped(let failure, .account), .refused(let failure, suspendsProvider: true),
            .probablyRefused(let failure, suspendsProvider: true):
            await suspend(.provider(profile.provider), because: failure)
        case .refused(_, suspendsProvider: false):
            await breakers.succeeded(circuit, at: now)
        case .probablyRefused(let failure, suspendsProvider: false), .unknown(let failure):
            // A single lost reply is tolerated. Several in a row show a failing endpoint, and each may have cost money.
            await breakers.failed(circuit, because: failure, tolerated: 2, at: now)
        }
    }

    /// When to resend a task that was throttled on a half-open endpoint: after the others, since the endpoint may never
    /// accept it. Nil if it keeps its place.
    func retry(after verdict: SubmitVerdict, of profile: EndpointProfile) -> Timestamp? {
        let circuit = CircuitKey.submissions(profile.name)
        guard case .throttled = verdict, breakers.isHalfOpen(circuit) else { return nil }
        return (breakers.state(of: circuit).closedUntil ?? time.now()) + .seconds(5)
    }

    /// Notes that a status query of the service succeeded.
    func queriesSucceeded(of service: ServiceName) async {
        limiter.succeeded(.queries(service))
        await breakers.succeeded(.polls(service), at: time.now())
    }

    /// Notes a failed status query: it opens the breaker of the service, and lowers its rate if it was throttled.
    func queriesFailed(
        of profile: EndpointProfile, because failure: TaskFailure, isThrottled: Bool = false,
        retryAfter: Duration? = nil
    ) async {
        let service = profile.name.service
        if isThrottled { limiter.throttled(.queries(service), perSecond: callsPerSecond(of: profile.provider)) }
        await breakers.failed(.polls(service), because: failure, retryAfter: retryAfter, at: time.now())
    }

    /// Pauses an endpoint, or a provider that refuses the whole account, until a person resumes it.
    func suspend(_ circuit: CircuitKey, because failure: TaskFailure) async {
        await breakers.suspend(circuit, because: failure, at: time.now())
    }
}

extension SubmitVerdict {
    /// Whether the provider itself said "too many", rather than not being reached.
    var isThrottled: Bool {
        if case .throttled(let failure, _) = self { failure.code != "not_sent" } else { false }
    }
}
