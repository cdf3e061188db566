package import TaskModel
package import TaskStore

/// Ends queued and running tasks whose deadline has passed. Once a minute it also repairs due times from a wrong clock.
///
/// It ends nothing while the clock is in doubt, after a jump or a start, because an outcome is final. A task that seems
/// overdue is not sent meanwhile.
package struct DeadlineEnforcer: Worker {
    let store: TaskStore
    let schedule: ScheduleCorrector
    let sampler: CompletionSampler
    /// How long the clock must have been steady; see ``EngineLimits/steadySpan``.
    let steadySpan: Duration
    let wakes: WakeSignals

    package var wake: WakeSignal { wakes.deadlines }

    package func claim(into work: inout [TaskID], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        try await schedule.repair(at: now)
        let doubt = steadySpan - schedule.clock.steadyFor(at: now)
        guard doubt <= .zero else { return now + min(doubt, .seconds(60)) }
        let overdue = try await store.overdue(at: now, limit: 500)
        if !overdue.isEmpty {
            _ = try await store.apply(
                overdue.map { ScheduledEvent(.deadlinePassed, for: $0.id, nextDueAt: nil) }, at: now,
                updating: await sampler.updates(from: overdue, givenUpAt: now))
            wakes.submitter.signal()
        }
        let next = try await store.nextDeadline() ?? now + .seconds(60)
        return min(next, now + .seconds(60))
    }

    package func perform(_ work: TaskID) async {}
}
