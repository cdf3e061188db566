/// The source of a task's outcome at the provider.
package enum OutcomeSource: String, Sendable, CaseIterable {
    /// The reply to the submission.
    case submission
    /// A poll.
    case poll
    /// A callback's body, because the provider could no longer be polled.
    case callback
}
