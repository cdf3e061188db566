import ProviderCatalog
import TaskModel
import TaskStore

/// Adjusts breakers and rates after replies.
extension AdmissionControl {
    /// Records what the reply to a paid request says about its endpoint and account.
    func note(_ verdict: SubmitVerdict, of endpoint: AccountEndpoint) async {
        let now = time.now()
        let circuit = endpoint.submissions
        let traffic = ProviderRateLimiter.TrafficClass.submissions(endpoint.name, endpoint.account)
        if verdict.isThrottled {
            limiter.throttled(traffic, perSecond: callsPerSecond(of: endpoint.owner.provider))
        }
        switch verdict {
        case .accepted, .answered:
            limiter.succeeded(traffic)
            await breakers.succeeded(circuit, at: now)
        case .throttled(let failure, let retryAfter):
            await breakers.failed(circuit, because: failure, retryAfter: retryAfter, at: now)
        case .stopped(let failure, .endpoint):
            await breakers.suspend(.endpoint(endpoint.name), because: failure, at: now)
        case .stopped(let failure, .account), .refused(let failure, suspendsProvider: true),
            .probablyRefused(let failure, suspendsProvider: true):
            await suspend(endpoint.owner, because: failure)
        case .refused(_, suspendsProvider: false):
            await breakers.succeeded(circuit, at: now)
        case .probablyRefused(let failure, suspendsProvider: false), .unknown(let failure):
            // A single lost reply is tolerated. Several in a row show a failing endpoint, and each may have cost money.
            await breakers.failed(circuit, because: failure, tolerated: 2, at: now)
        }
    }

    /// When to resend a task that was throttled on a half-open endpoint. It goes after the others, because the endpoint
    /// may never accept it. Nil if it keeps its place, or if another account can take it now.
    func retry(of task: TrackedTask, after verdict: SubmitVerdict, of endpoint: AccountEndpoint) -> Timestamp? {
        guard case .throttled = verdict, breakers.isHalfOpen(endpoint.submissions) else { return nil }
        let now = time.now()
        let canMove =
            onlyAccount(for: task, of: endpoint.profile) == nil
            && endpoints(endpoint.profile).contains { $0.account != endpoint.account && block(on: $0, at: now) == nil }
        guard !canMove else { return nil }
        return (breakers.state(of: endpoint.submissions).closedUntil ?? time.now()) + .seconds(5)
    }

    /// Whether another account of the provider can take a task that this account is refused.
    func hasAnotherAccount(than endpoint: AccountEndpoint) -> Bool {
        endpoints(endpoint.profile).contains { other in
            other.account != endpoint.account && accounts.canSend(by: other.owner)
                && breakers.state(of: .account(other.owner)).pause == nil
        }
    }

    /// Records that a status query of the service succeeded.
    func queriesSucceeded(of service: AccountService) async {
        limiter.succeeded(.queries(service))
        await breakers.succeeded(.polls(service), at: time.now())
    }

    /// Records a failed status query. It opens the breaker of the service, and lowers its rate if it was throttled.
    func queriesFailed(
        of endpoint: AccountEndpoint, because failure: TaskFailure, isThrottled: Bool = false,
        retryAfter: Duration? = nil
    ) async {
        if isThrottled {
            limiter.throttled(
                .queries(endpoint.service), perSecond: callsPerSecond(of: endpoint.owner.provider))
        }
        await breakers.failed(endpoint.polls, because: failure, retryAfter: retryAfter, at: time.now())
    }

    /// Pauses an account that the provider rejects, until a person resumes it.
    func suspend(_ account: ProviderAccount, because failure: TaskFailure) async {
        await breakers.suspend(.account(account), because: failure, at: time.now())
    }
}

extension SubmitVerdict {
    /// Whether the provider throttled the query, rather than being unreachable.
    var isThrottled: Bool {
        if case .throttled(let failure, _) = self { failure.code != "not_sent" } else { false }
    }
}
