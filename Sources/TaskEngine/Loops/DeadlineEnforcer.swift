package import TaskModel
package import TaskStore

/// Ends queued and running tasks whose deadline has passed. Once a minute it also repairs due times from a wrong clock.
///
/// It ends nothing while the clock is in doubt, after a jump or a start: an outcome never changes, and the clock may. A task
/// that seems overdue is not sent meanwhile.
package struct DeadlineEnforcer: Worker {
    package let context: EngineContext
    package var wake: WakeSignal { context.wakes.deadlines }

    /// The loop over deadlines.
    package init(_ context: EngineContext) {
        self.context = context
    }

    package func claim(into work: inout [TaskID], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        try await context.repairSchedule(at: now)
        let doubt = context.limits.steadySpan - context.clock.steadyFor(at: now)
        guard doubt <= .zero else { return now + min(doubt, .seconds(60)) }
        let overdue = try await context.store.overdue(at: now, limit: 500)
        if !overdue.isEmpty {
            _ = try await context.store.apply(
                overdue.map { ScheduledEvent(.deadlinePassed, for: $0.id, nextDueAt: nil) }, at: now,
                updating: await context.updates(from: overdue, givenUpAt: now))
            context.wakes.submitter.signal()
        }
        let next = try await context.store.nextDeadline() ?? now + .seconds(60)
        return min(next, now + .seconds(60))
    }

    package func perform(_ work: TaskID) async {}
}
