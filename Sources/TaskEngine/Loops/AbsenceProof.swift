import TaskModel

/// When a submission that the provider's list does not show counts as never taken.
struct AbsenceProof {
    /// So many complete readings without it …
    let readings: Int
    /// … over at least so long.
    let span: Duration
    /// How long ago a moment was for certain, whatever was done to the clock since.
    let seen: @Sendable (Timestamp) -> Duration

    /// What another complete reading at `now` without the task leads to.
    ///
    /// An error of the provider's own with a 5xx status is then believed; else the task's policy decides, and `hold`
    /// waits for a person.
    func event(for task: TrackedTask, at now: Timestamp) -> TaskEvent {
        // The provider has called back for it, so it has it, whatever its list shows.
        guard task.callbacks.count == 0 else { return .lookupUndecided }
        // Nobody knows where in the list it would stand.
        guard !(task.attempt?.clockWasSet ?? false) else { return .lookupUndecided }
        guard let attempt = task.attempt, attempt.absentReadings + 1 >= readings,
            seen(attempt.firstAbsentAt ?? now) >= span
        else { return .absentFromList }
        if attempt.isProbablyRefused, let refusal = task.failure { return .givenUp(refusal, .refusalConfirmed) }
        switch task.onUncertain {
        case .hold: return .absentFromList
        case .resubmitIfAbsent: return .resubmitted(.resubmittedByPolicy)
        case .fail:
            let reason = task.failure?.message ?? "no reply came"
            return .givenUp(.submissionLost(because: reason), .givenUpByPolicy)
        }
    }
}
