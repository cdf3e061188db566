import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

/// Plans which tasks of a service to poll, and when, from one page of tasks, the most overdue first.
struct PollPlanner: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let statistics: StatisticsCache
    let unrecognised: UnrecognisedResponses
    let inFlight: InFlightPolls
    @Current var polling: PollingPolicy
    let limits: EngineLimits
    let logger: Logger

    /// The due batches of a service, and when more may be due.
    func plan(of service: AccountService, at now: Timestamp) async throws(TaskStoreError) -> PollPlanCache.Plan {
        let free = try await freeTasks(of: service, at: now)
        var plan = PollPlanCache.Plan()
        for group in groups(of: free, service: service) {
            guard let first = group.tasks.first else { continue }
            if group.isBatch {
                await planBatch(of: group.tasks, service: service, profile: group.profile, into: &plan, at: now)
            } else if let due = first.nextDueAt, due > now {
                plan.next = min(plan.next ?? due, due)
            } else {
                let members = await members(for: [first], at: now)
                plan.batches.append(batch(of: [first], as: members, service: service, profile: group.profile))
            }
        }
        return plan
    }

    /// The tasks for one query, without those in flight. Tasks that cannot be polled are postponed.
    private func freeTasks(of service: AccountService, at now: Timestamp) async throws(TaskStoreError) -> [TrackedTask]
    {
        let horizon = now + polling.minGap
        while true {
            let free = try await store.due(
                in: .running, of: service, by: now + .seconds(86_400 * 365), excluding: inFlight.tasks(of: service),
                limit: limits.batchSize)
            let stuck = free.filter { !canAsk(about: $0) && $0.nextDueAt.map { $0 <= horizon } ?? true }
            guard let one = stuck.first else { return free.filter { canAsk(about: $0) } }
            // Past the horizon, so that the next read finds other tasks of the service.
            let until = max(now + polling.maxGap, horizon + .milliseconds(1))
            logger.warning(
                """
                \(stuck.count) running tasks like \(one.id) wait: there is no token of account \(one.account), or no endpoint \
                \(one.endpoint) any more. Nothing is lost.
                """)
            try await store.postpone(stuck.map(\.id), until: until)
        }
    }

    /// Whether a task can be polled: its endpoint is known, and its account has credentials.
    private func canAsk(about task: TrackedTask) -> Bool {
        catalog.endpoint(task.endpoint).map { admission.accounts.canSend(by: $0.owner(of: task)) } ?? false
    }

    private struct Group {
        let profile: EndpointProfile
        var tasks: [TrackedTask]
        let isBatch: Bool
    }

    /// Groups the tasks that can share a query. A task is polled alone in three cases: a batch omitted it, the provider
    /// recently did not know it, or its records are not understood.
    private func groups(of tasks: [TrackedTask], service: AccountService) -> [Group] {
        var groups: [Group] = []
        for task in tasks {
            guard let profile = catalog.endpoint(task.endpoint) else { continue }
            let isAlone =
                inFlight.batchLimit(of: service, upTo: profile.batchSize ?? 1) < 2 || task.notFoundCount > 0
                || inFlight.isAlone(task.id)
                || unrecognised.inARow(task.id) > 1
            if !isAlone,
                let place = groups.firstIndex(where: { $0.isBatch && $0.profile.sharesBatch(with: profile) })
            {
                groups[place].tasks.append(task)
            } else {
                groups.append(Group(profile: profile, tasks: [task], isBatch: !isAlone))
            }
        }
        // A single task follows its own due time, which takes its progress into account.
        return groups.map { $0.tasks.count > 1 ? $0 : Group(profile: $0.profile, tasks: $0.tasks, isBatch: false) }
    }

    private func planBatch(
        of tasks: [TrackedTask], service: AccountService, profile: EndpointProfile, into plan: inout PollPlanCache.Plan,
        at now: Timestamp
    ) async {
        let members = await members(for: tasks, at: now)
        let most = min(profile.batchSize ?? 1, limits.batchSize)
        let limit = inFlight.batchLimit(of: service, upTo: most)
        // A task follows its own due time before its first poll, because an adopted task may have any age. The same holds
        // after a callback, and if its last poll lies in the future.
        let firstLook = tasks.filter { $0.lastPendingAt.map { $0 > now } ?? true || $0.isCalledBack }
            .compactMap(\.nextDueAt).min()
        let shared = now + polling.nextBatch(of: members, limit: limit)
        let due = min(shared, firstLook ?? shared)
        guard due <= now else {
            plan.next = min(plan.next ?? due, due)
            return
        }
        let selection = polling.selection(of: members, limit: limit)
        plan.batches.append(
            batch(
                of: selection.map { tasks[$0] }, as: selection.map { members[$0] }, service: service, profile: profile))
    }

    /// The tasks in the form that the schedule uses.
    private func members(for tasks: [TrackedTask], at now: Timestamp) async -> [BatchCandidate] {
        var read: [EndpointName: EndpointStatistics] = [:]
        var members: [BatchCandidate] = []
        for task in tasks {
            let statistics: EndpointStatistics
            if let known = read[task.endpoint] {
                statistics = known
            } else {
                statistics = await self.statistics.statistics(of: task.endpoint)
                read[task.endpoint] = statistics
            }
            members.append(
                BatchCandidate(
                    age: statistics.age(of: task, at: now), sinceLastPoll: statistics.sinceLastPoll(of: task, at: now),
                    model: statistics.entry(for: task.model).model,
                    callbackReliability: statistics.callbackTrust(of: task), isExpected: task.isCalledBack))
        }
        return members
    }

    private func batch(
        of tasks: [TrackedTask], as members: [BatchCandidate], service: AccountService, profile: EndpointProfile
    ) -> PollBatch {
        var priority = 0.0
        for member in members {
            priority += polling.priority(
                age: member.age, sinceLastPoll: member.sinceLastPoll, model: member.model)
            // It has probably ended, so it counts as if its hazard were one per second.
            if member.isExpected { priority += member.sinceLastPoll.inSeconds * member.sinceLastPoll.inSeconds }
        }
        return PollBatch(
            endpoint: AccountEndpoint(profile, of: service.account), tasks: tasks, priority: priority)
    }
}
