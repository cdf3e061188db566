import PollingPolicy
import TaskModel
import TaskStore

/// What the end of one task teaches, should it turn out to be one when it is written.
struct EndOfTask: Sendable {
    /// The task as it was before.
    let task: TrackedTask
    /// When the reply came, or when it was given up.
    let now: Timestamp
    /// What the reply said; nil where it was given up here.
    let observation: Observation?
    /// How long tasks of its kind usually stand in the provider's queue, where that is known.
    let usualWait: Duration?
    /// Since when nothing could happen unseen.
    let watchingSince: Timestamp

    /// How long it took, as far as anybody can say; nil for a task from elsewhere that does not tell.
    ///
    /// By the provider's own clock where it tells both ends, within what our own looks leave possible: no bias from our
    /// polls, nor from a clock there that is off.
    var sample: DurationSample? {
        let succeeded = if case .succeeded = observation?.verdict { true } else { false }
        guard task.attempts > 0 else { return toldDuration.map { .exact($0, succeeded: succeeded) } }
        let high = max(now - beginning, .zero)
        guard observation != nil else { return .censored(at: high) }
        let low = min(task.lastPendingAt.map { max($0 - beginning, .zero) } ?? .zero, high)
        guard let told = toldDuration else { return .interval(after: low, by: high, succeeded: succeeded) }
        return .exact(told.clamped(to: low...high), succeeded: succeeded)
    }

    /// How long its end went unnoticed; nil where it may have come while nobody could look, or in the reply to the
    /// submission.
    ///
    /// The difference of durations, so that it does not matter whether the provider's clock shows our time.
    var lateness: Duration? {
        let lastLook = task.lastPendingAt ?? beginning
        guard observation != nil, task.attempts > 0, task.state == .running, lastLook >= watchingSince else {
            return nil
        }
        let longest = max(now - max(lastLook, beginning), .zero)
        guard let told = toldDuration else { return longest / 2 }
        return ((now - beginning) - told).clamped(to: .zero...longest)
    }

    /// How long after its end a delivery told of it; nil where the provider does not say when that was.
    func callbackDelay(_ deliveredAt: Timestamp) -> Duration? {
        toldDuration.map { max((deliveredAt - beginning) - $0, .zero) }
    }

    /// Whether a delivery was to tell of its end: its request carried our URL, and the reply was not the result already.
    var expectsCallback: Bool { observation != nil && task.state == .running && task.attempt?.callback != nil }

    /// Whether a record told that it had begun before this one told that it had ended.
    var startWasTold: Bool { task.waited != nil }

    /// How long it stood in the provider's queue, by the provider's clock.
    var waited: Duration? {
        guard let started = observation?.startedAt, let created = observation?.createdAt else { return task.waited }
        return max(started - created, .zero)
    }

    /// From when its age counts beside others of its kind: as if it had stood in the queue for the usual time.
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
