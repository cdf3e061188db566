import ProviderCatalog
package import TaskModel
package import TaskStore

/// Polls running tasks when they are due, many of one service in one query.
///
/// Three parts decide independently: the schedule (``PollPlanner``), the provider's rate
/// (``ProviderRateLimiter``), and the circuit breaker of a service that failed. A failed query says
/// nothing about its tasks: it slows the whole service and is repeated later.
package struct PollScheduler: Worker {
    let store: TaskStore
    let planner: PollPlanner
    let plans: PollPlanCache
    let admission: AdmissionControl
    let inFlight: InFlightPolls
    let poller: Poller
    /// The maximum number of queries of a service in flight.
    let pollsInParallel: Int
    let random: EngineRandom
    let wakes: WakeSignals

    package var wake: WakeSignal { wakes.polls }

    package func claim(into work: inout [PollBatch], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        var comeBack = now + .seconds(60)
        var services = try await services(at: now)
        // The loop ends, because each turn claims at least one batch, and a service has few of them in flight.
        while !services.isEmpty {
            // Claimed batches are sent before more are read.
            guard work.count < Self.enoughAtOnce else { return now }
            var ready: [PollBatch] = []
            // Equals are in random order, so that no service is always last.
            let inTurn = services.count > 1 ? random.draw { services.shuffled(using: &$0) } : services
            for service in inTurn {
                let plan = try await plan(of: service, at: now)
                ready += plan.batches
                comeBack = min(comeBack, plan.next ?? comeBack)
            }
            try await admission.leases.acquire(ready.map(\.endpoint.owner), at: now)
            services = claim(from: ready, at: now, into: &work, comeBack: &comeBack)
        }
        return comeBack
    }

    package func perform(_ work: PollBatch) async {
        await poller.poll(work)
        inFlight.end(work)
        plans.end(work)
    }

    /// A claim ends after this many batches, and the next one continues.
    private static let enoughAtOnce = 8

    /// Services that may have running tasks, by account. They are cached, because the loop runs after each query.
    private func services(at now: Timestamp) async throws(TaskStoreError) -> [AccountService] {
        if let known = plans.services(at: now) { return known }
        let version = plans.version
        let services = try await store.services(in: .running)
        plans.keep(services: services, at: now, version: version)
        return services
    }

    /// Claims as many batches as the rates allow, by priority, then in order. Returns the services that may have more.
    private func claim(
        from ready: [PollBatch], at now: Timestamp, into work: inout [PollBatch], comeBack: inout Timestamp
    ) -> [AccountService] {
        var claimed: Set<AccountService> = []
        var blocked: Set<AccountService> = []
        let inOrder = ready.indices.sorted { (ready[$0].priority, $1) > (ready[$1].priority, $0) }
        for batch in inOrder.lazy.map({ ready[$0] }) where !blocked.contains(batch.service) {
            guard inFlight.batches(of: batch.service) < batchesAllowed(of: batch.service) else { continue }
            let lease = admission.leases.block(on: batch.endpoint.owner, at: now)
            if let later = lease?.until ?? admission.querySlot(of: batch.endpoint) {
                comeBack = min(comeBack, later)
                blocked.insert(batch.service)
                continue
            }
            inFlight.begin(batch)
            plans.begin(batch)
            work.append(batch)
            claimed.insert(batch.service)
        }
        return claimed.subtracting(blocked).sorted()
    }

    /// The due batches of a service, and when more may be due.
    private func plan(of service: AccountService, at now: Timestamp) async throws(TaskStoreError) -> PollPlanCache.Plan
    {
        if let block = admission.breakers.block(.polls(service), at: now) {
            return PollPlanCache.Plan(next: block.until)
        }
        // The end of a batch in flight makes room again.
        guard inFlight.batches(of: service) < batchesAllowed(of: service) else { return PollPlanCache.Plan() }
        if let plan = plans.plan(of: service, at: now) { return plan }
        let version = plans.version(of: service)
        let plan = try await planner.plan(of: service, at: now)
        plans.keep(plan, of: service, at: now, version: version)
        return plan
    }

    /// The maximum number of batches of the service in flight: one if its circuit breaker is half open.
    private func batchesAllowed(of service: AccountService) -> Int {
        admission.breakers.isHalfOpen(.polls(service)) ? 1 : pollsInParallel
    }
}
