import TaskModel

/// Decides about an uncertain task after a search that did not find it.
struct AbsencePolicy: Sendable {
    /// So many readings that prove its absence …
    let readings: Int
    /// … over at least so long.
    let span: Duration
    /// How long look-ups go on before the policy `fail` ends a task without a proof.
    let failAfter: Duration
    /// How long ago a moment was for certain, whatever was done to the clock since.
    let verifiedElapsed: @Sendable (Timestamp) -> Duration
    /// Whether the clock has been steady for long enough to end or resend a task by it.
    let isSteady: Bool

    /// What the finding at `now` leads to; `found` is the caller's business.
    ///
    /// Once absence is proven, an error of the provider's own with a 5xx status is believed; else `resubmit_if_absent` sends
    /// the task again. `fail` needs no proof, only time. `hold` waits for a person.
    func event(for task: TrackedTask, after finding: LostAttemptSearch.Finding, at now: Timestamp) -> TaskEvent {
        // The provider has called back for it, so it has it, whatever its list shows.
        let isAbsent = finding == .absent && task.callbacks.count == 0
        if isSteady, isAbsent, isProof(task, at: now) {
            if task.attempt?.isProbablyRefused ?? false, let refusal = task.failure {
                return .givenUp(refusal, .refusalConfirmed)
            }
            if task.onUncertain == .resubmitIfAbsent { return .resubmitted(.resubmittedByPolicy) }
        }
        if isSteady, task.onUncertain == .fail, let lostAt = task.attempt?.endedAt, verifiedElapsed(lostAt) >= failAfter
        {
            return Self.failed(task)
        }
        if isAbsent { return .absentFromList }
        if case .possible(let ids, _) = finding { return .lookupUndecided(possible: ids) }
        return .lookupUndecided()
    }

    /// The end of a task under the policy `fail`.
    static func failed(_ task: TrackedTask) -> TaskEvent {
        .givenUp(.submissionLost(because: task.failure?.message ?? "no reply came"), .givenUpByPolicy)
    }

    private func isProof(_ task: TrackedTask, at now: Timestamp) -> Bool {
        guard let attempt = task.attempt, attempt.absentReadings + 1 >= readings else { return false }
        return verifiedElapsed(attempt.firstAbsentAt ?? now) >= span
    }
}
