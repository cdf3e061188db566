import TaskModel

/// Decides what to do with an uncertain task that a search did not find.
struct AbsencePolicy: Sendable {
    /// Absence is proven by at least this many complete readings …
    let readings: Int
    /// … over at least this time.
    let span: Duration
    /// How long look-ups continue before the policy `fail` ends a task without proof.
    let failAfter: Duration
    /// The verified elapsed time since a moment, unaffected by clock changes.
    let verifiedElapsed: @Sendable (Timestamp) -> Duration
    /// How long ago the reading began. It shows the list of that moment.
    let readingTook: Duration
    /// Whether the clock has been steady long enough to end or resend a task.
    let isSteady: Bool
    /// Whether the database is an older copy, so that no policy ends or resends a task.
    let isRestored: Bool

    /// The event that follows a finding at `now`. The caller handles `found`.
    ///
    /// Once absence is proven, a 5xx error of the provider counts as a rejection; otherwise `resubmit_if_absent`
    /// resubmits the task. `fail` needs time but no proof. `hold` waits for a user.
    func event(for task: TrackedTask, after finding: LostAttemptSearch.Finding, at now: Timestamp) -> TaskEvent {
        // A callback proves that the provider has the task, whatever its list shows.
        let isAbsent = finding == .absent && task.callbacks.count == 0
        let mayDecide = isSteady && !isRestored
        if mayDecide, isAbsent, isProof(task, at: now) {
            if task.attempt?.isProbablyRefused ?? false, let refusal = task.failure {
                return .givenUp(refusal, .refusalConfirmed)
            }
            if task.onUncertain == .resubmitIfAbsent { return .resubmitted(.resubmittedByPolicy) }
        }
        if mayDecide, task.onUncertain == .fail, let lostAt = task.attempt?.endedAt,
            verifiedElapsed(lostAt) >= failAfter
        {
            return Self.failed(task)
        }
        if isAbsent { return .absentFromList }
        if case .possible(let ids, _) = finding { return .lookupUndecided(possible: ids) }
        return .lookupUndecided()
    }

    /// The event that ends a task under the policy `fail`.
    static func failed(_ task: TrackedTask) -> TaskEvent {
        .givenUp(.submissionLost(because: task.failure?.message ?? "no reply came"), .givenUpByPolicy)
    }

    private func isProof(_ task: TrackedTask, at now: Timestamp) -> Bool {
        guard let attempt = task.attempt, attempt.absentReadings + 1 >= readings else { return false }
        return verifiedElapsed(attempt.firstAbsentAt ?? now) - readingTook >= span
    }
}

extension AbsencePolicy {
    /// Creates the policy that the limits and the clock allow at that time, after a reading of that duration.
    init(
        _ limits: EngineLimits, clock: ClockJumpDetector, readingTook: Duration, isRestored: Bool, at now: Timestamp
    ) {
        self.init(
            readings: limits.absentReadings, span: limits.absentSpan, failAfter: limits.failAfter,
            verifiedElapsed: { clock.verifiedElapsed(since: $0) }, readingTook: readingTook,
            isSteady: clock.isSteady(for: limits.steadySpan, at: now), isRestored: isRestored)
    }
}
