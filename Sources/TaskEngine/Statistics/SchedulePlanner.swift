import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

/// The schedule of a running task. It is a function of the task alone, so it can run inside a transaction.
struct TaskSchedule: Sendable {
    let polling: PollingPolicy
    let statistics: EndpointStatistics
    let now: Timestamp
    /// The number of tasks that usually share a call.
    let sharing: Int
    /// The earliest time that the provider allows.
    let notBefore: Timestamp?
    /// The number of the task's latest records in a row that no rule understands.
    let unrecognisedInARow: Int
    let chance: DrawnRandom

    /// When to poll the task next.
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

    /// Whether to log now that the task takes longer than 99 of 100 of its kind.
    func isNewlySlow(_ task: TrackedTask) -> Bool {
        guard task.slowAt == nil else { return false }
        let model = statistics.entry(for: task.model).model
        return model.sampleCount >= Self.samplesForSlowness && model.isSlow(at: statistics.age(of: task, at: now))
    }

    /// With fewer samples, the slowest hundredth is unknown.
    private static let samplesForSlowness = 20
}

/// Plans when running tasks are polled next.
struct SchedulePlanner: Sendable {
    @Current var polling: PollingPolicy
    @Current var catalog: ProviderCatalog
    let statistics: StatisticsCache
    let unrecognised: UnrecognisedResponses
    let random: EngineRandom

    /// The schedule of a running task, if `sharing` tasks of its service usually share a call.
    ///
    /// It is never earlier than the provider allows: `minimumDelay` comes from its latest reply.
    func schedule(
        of task: TrackedTask, at now: Timestamp, sharedBy sharing: Int = 1, minimumDelay: Duration? = nil
    ) async -> TaskSchedule {
        let gap = [minimumDelay, catalog.endpoint(task.endpoint)?.minGap].compactMap(\.self).max()
        return TaskSchedule(
            polling: polling, statistics: await statistics.statistics(of: task.endpoint), now: now, sharing: sharing,
            notBefore: gap.map { now + $0 }, unrecognisedInARow: unrecognised.inARow(task.id),
            chance: random.drawn())
    }
}
