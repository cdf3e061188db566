import Logging
import PollingPolicy
import ProviderCatalog
package import TaskModel
package import TaskStore

/// Polls running tasks when they are due, many of one service in one query.
///
/// Three parts decide independently: the schedule (``PollPlanner``), the provider's rate
/// (``ProviderRateLimiter``), and the circuit breaker of a service that failed. A failed query says
/// nothing about its tasks: it slows the whole service and is repeated later.
package struct PollScheduler: Worker {
    package let context: EngineContext
    package var wake: WakeSignal { context.wakes.polls }
    var inFlight: InFlightPolls { context.inFlightPolls }

    /// The loop over running tasks.
    package init(_ context: EngineContext) {
        self.context = context
    }

    package func claim(into work: inout [PollBatch], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        var comeBack = now + .seconds(60)
        var services = try await services(at: now)
        // Ends, since each turn claims at least one batch, and a service has few of them in flight.
        while !services.isEmpty {
            // Send what is claimed before reading more.
            guard work.count < Self.enoughAtOnce else { return now }
            var ready: [PollBatch] = []
            // In random order among equals, so that no service is always served last.
            let inTurn = services.count > 1 ? context.random.draw { services.shuffled(using: &$0) } : services
            for service in inTurn {
                let plan = try await plan(of: service, at: now)
                ready += plan.batches
                comeBack = min(comeBack, plan.next ?? comeBack)
            }
            try await context.admission.leases.acquire(for: ready.map(\.profile), at: now)
            services = claim(from: ready, at: now, into: &work, comeBack: &comeBack)
        }
        return comeBack
    }

    /// A claim ends after so many batches, and the next one continues.
    private static let enoughAtOnce = 8

    /// Services that may have running tasks. They are cached, since the loop runs after each query.
    private func services(at now: Timestamp) async throws(TaskStoreError) -> [String] {
        if let known = context.plans.services(at: now) { return known }
        let version = context.plans.version
        let services = try await context.store.services(in: .running)
        context.plans.keep(services: services, at: now, version: version)
        return services
    }

    /// Claims as many batches as the rates allow, by priority, then in their order. Returns the services that may have more.
    private func claim(
        from ready: [PollBatch], at now: Timestamp, into work: inout [PollBatch], comeBack: inout Timestamp
    ) -> [String] {
        var claimed: Set<String> = []
        var blocked: Set<String> = []
        let inOrder = ready.indices.sorted { (ready[$0].priority, $1) > (ready[$1].priority, $0) }
        for batch in inOrder.lazy.map({ ready[$0] }) where !blocked.contains(batch.service) {
            guard inFlight.batches(of: batch.service) < batchesAllowed(of: batch.service) else { continue }
            let lease = context.admission.leases.block(on: batch.profile.provider, at: now)
            if let later = lease?.until ?? context.admission.slot(for: .queries(batch.service), of: batch.profile) {
                comeBack = min(comeBack, later)
                blocked.insert(batch.service)
                continue
            }
            inFlight.begin(batch)
            context.plans.begin(batch)
            work.append(batch)
            claimed.insert(batch.service)
        }
        return claimed.subtracting(blocked).sorted()
    }

    /// What is due of a service now, and when more may be due.
    private func plan(of service: String, at now: Timestamp) async throws(TaskStoreError) -> PollPlanCache.Plan {
        if let block = context.admission.breakers.block(.polls(service), at: now) {
            return PollPlanCache.Plan(next: block.until)
        }
        // The end of one in flight makes room again.
        guard inFlight.batches(of: service) < batchesAllowed(of: service) else { return PollPlanCache.Plan() }
        if let plan = context.plans.plan(of: service, at: now) { return plan }
        let version = context.plans.version(of: service)
        let plan = try await PollPlanner(context: context, inFlight: inFlight, service: service).plan(at: now)
        context.plans.keep(plan, of: service, at: now, version: version)
        return plan
    }

    /// How many batches of the service may be in flight: one if its circuit breaker is half open.
    private func batchesAllowed(of service: String) -> Int {
        context.admission.breakers.isHalfOpen(.polls(service)) ? 1 : context.limits.pollsInParallel
    }
}
