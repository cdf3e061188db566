import PollingPolicy
import TaskModel
import TaskStore

/// A candidate duration sample. It counts only if the commit really ends the task.
struct CompletionSample: Sendable {
    /// The task before the commit.
    let task: TrackedTask
    /// When the reply arrived, or when the task was given up.
    let now: Timestamp
    /// The observation in the reply; nil if the task was given up here.
    let observation: Observation?
    /// The usual time that such tasks spend in the provider's queue, if known.
    let usualWait: Duration?
    /// Since when the clock has been observed without a gap.
    let watchingSince: Timestamp

    /// How long the task took; nil for an adopted task whose record has no times.
    ///
    /// The provider's times are used if it reports both, clamped to the interval that our polls allow. That removes the
    /// bias of our polls and of a wrong clock at the provider.
    var sample: DurationSample? {
        let succeeded = if case .succeeded = observation?.verdict { true } else { false }
        guard task.attempts > 0 else { return toldDuration.map { .exact($0, succeeded: succeeded) } }
        let high = max(now - beginning, .zero)
        guard observation != nil else { return .censored(at: high) }
        let low = min(task.lastPendingAt.map { max($0 - beginning, .zero) } ?? .zero, high)
        guard let told = toldDuration else { return .interval(after: low, by: high, succeeded: succeeded) }
        return .exact(told.clamped(to: low...high), succeeded: succeeded)
    }

    /// How long the end was not noticed. Nil if the task may have ended while the daemon was down, or in the reply to
    /// the submission.
    ///
    /// It is a difference of durations, so the offset of the provider's clock does not matter.
    var lateness: Duration? {
        let lastLook = task.lastPendingAt ?? beginning
        guard observation != nil, task.attempts > 0, task.state == .running, lastLook >= watchingSince else {
            return nil
        }
        let longest = max(now - max(lastLook, beginning), .zero)
        guard let told = toldDuration else { return longest / 2 }
        return ((now - beginning) - told).clamped(to: .zero...longest)
    }

    /// The time from the end to its callback; nil if the provider does not report when the task ended.
    func callbackDelay(_ deliveredAt: Timestamp) -> Duration? {
        toldDuration.map { max((deliveredAt - beginning) - $0, .zero) }
    }

    /// Whether a callback was expected: the request had our URL, and the reply was not already the result.
    var expectsCallback: Bool { observation != nil && task.state == .running && task.attempt?.callback != nil }

    /// Whether a record showed the start before this one showed the end.
    var startWasTold: Bool { task.waited != nil }

    /// The time in the provider's queue, by the provider's clock.
    var waited: Duration? {
        guard let started = observation?.startedAt, let created = observation?.createdAt else { return task.waited }
        return max(started - created, .zero)
    }

    /// The start of its age, corrected to the usual time in the queue.
    private var beginning: Timestamp { submitted + correction }

    private var submitted: Timestamp {
        task.ageFrom ?? task.submittedAt ?? task.attempt?.startedAt ?? task.createdAt
    }

    private var correction: Duration {
        guard let waited, let usualWait else { return .zero }
        return waited - usualWait
    }

    private var toldDuration: Duration? {
        guard let observation, let finished = observation.finishedAt,
            let created = observation.createdAt ?? observation.startedAt, finished >= created
        else { return nil }
        return max((finished - created) - correction, .zero)
    }
}

/// Collects duration samples of tasks that may end.
struct CompletionSampler: Sendable {
    let statistics: StatisticsCache
    let clock: ClockJumpDetector

    /// Adds the duration sample that the task gives if it ends now.
    func add(
        _ task: TrackedTask, at now: Timestamp, saying observation: Observation?, to updates: inout StatisticsUpdates
    ) async {
        let statistics = await statistics.statistics(of: task.endpoint)
        let end = CompletionSample(
            task: task, now: now, observation: observation,
            usualWait: statistics.entry(for: task.model).row.wait, watchingSince: clock.watchingSince)
        updates.add(end, statistics: statistics)
    }

    /// Statistics updates for tasks that are given up here. Their durations exceed their ages.
    func updates(from tasks: [TrackedTask], givenUpAt now: Timestamp) async -> [StatisticsUpdate] {
        var updates = StatisticsUpdates()
        for task in tasks where task.state == .running { await add(task, at: now, saying: nil, to: &updates) }
        return updates.updates
    }
}
