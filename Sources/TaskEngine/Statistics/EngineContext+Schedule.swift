import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

/// When a running task is asked about next: a function of the task alone, so that it can run inside a transaction.
struct TaskSchedule: Sendable {
    let polling: PollingPolicy
    let statistics: EndpointStatistics
    let now: Timestamp
    /// Tasks that usually share a call.
    let sharing: Int
    /// The provider allows nothing sooner.
    let notBefore: Timestamp?
    /// The task's latest records in a row that nobody understood.
    let unrecognisedInARow: Int
    let chance: DrawnRandom

    /// When to ask for it, as it is now.
    func nextPoll(of task: TrackedTask) -> Timestamp {
        var history = PollHistory(
            submittedAt: now - statistics.age(of: task, at: now), retryNotBefore: notBefore,
            unrecognisedInARow: unrecognisedInARow)
        if let percent = task.progress, let since = task.progressAt {
            history.progress = PollHistory.Progress(percent: percent, since: min(since, now))
        }
        var chance = chance
        return polling.nextPoll(
            after: history, model: statistics.entry(for: task.model).model, now: now,
            callbackReliability: statistics.callbackTrust(of: task), sharedBy: sharing, using: &chance)
    }

    /// Whether the task's log should say now that it takes longer than 99 of 100 of its kind.
    func isNewlySlow(_ task: TrackedTask) -> Bool {
        guard task.slowAt == nil else { return false }
        let model = statistics.entry(for: task.model).model
        return model.sampleCount >= Self.samplesForSlowness && model.isSlow(at: statistics.age(of: task, at: now))
    }

    /// Below this many tasks nobody can tell what one in a hundred is.
    private static let samplesForSlowness = 20
}

extension EngineContext {
    /// The schedule of a running task, if `sharing` tasks of its service usually share a call.
    ///
    /// Never sooner than the provider allows: `leaveAlone` is what its latest reply asked for.
    func schedule(
        of task: TrackedTask, at now: Timestamp, sharedBy sharing: Int = 1, leaveAlone: Duration? = nil
    ) async -> TaskSchedule {
        let gap = [leaveAlone, catalog.endpoint(task.endpoint)?.minGap].compactMap(\.self).max()
        return TaskSchedule(
            polling: polling, statistics: await statistics.statistics(of: task.endpoint), now: now, sharing: sharing,
            notBefore: gap.map { now + $0 }, unrecognisedInARow: unrecognised.inARow(task.id),
            chance: random.drawn())
    }

    /// The duration sample that the task gives if it ends now.
    func end(of task: TrackedTask, at now: Timestamp, saying observation: Observation?) async -> (
        CompletionSample, EndpointStatistics
    ) {
        let statistics = await statistics.statistics(of: task.endpoint)
        let end = CompletionSample(
            task: task, now: now, observation: observation,
            usualWait: statistics.entry(for: task.model).row.wait, watchingSince: clock.watchingSince)
        return (end, statistics)
    }

    /// Statistics updates for tasks that are given up here: they take longer than this.
    func updates(from tasks: [TrackedTask], givenUpAt now: Timestamp) async -> [StatisticsUpdate] {
        var plan = StatisticsUpdates()
        for task in tasks where task.state == .running {
            let (end, statistics) = await end(of: task, at: now, saying: nil)
            plan.add(end, statistics: statistics)
        }
        return plan.updates
    }
}
