import ProviderCatalog
import TaskModel
import TaskStore

extension EngineContext {
    /// Takes a request's place in its provider's budget, or says when to ask again.
    func slot(for lane: CallBudget.Lane, of profile: EndpointProfile) -> Timestamp? {
        budget.reserve(lane, of: profile.provider, perSecond: callsPerSecond(of: profile.provider))
    }

    /// Waits until the provider's budget allows another request; false where the daemon stops first.
    func turn(for lane: CallBudget.Lane, of profile: EndpointProfile) async -> Bool {
        while let slot = slot(for: lane, of: profile) {
            guard !Task.isCancelled else { return false }
            await time.sleep(until: slot)
        }
        return true
    }

    /// A status query went through.
    func queriesSucceeded(of service: String) async {
        budget.succeeded(.queries(service))
        await gates.succeeded(.polls, service, at: time.now())
    }

    /// A status query failed: its service is left alone for a while, and asked more slowly if it said "too many".
    func queriesFailed(
        of profile: EndpointProfile, because failure: TaskFailure, isThrottled: Bool = false,
        retryAfter: Duration? = nil
    ) async {
        let service = profile.name.service
        if isThrottled { budget.throttled(.queries(service), perSecond: callsPerSecond(of: profile.provider)) }
        await gates.failed(.polls, service, because: failure, retryAfter: retryAfter, at: time.now())
    }
}
