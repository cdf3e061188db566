/// What told us how a task ended at the provider.
package enum OutcomeSource: String, Sendable, CaseIterable {
    /// The reply to its submission.
    case submission
    /// A status query.
    case poll
    /// The body of a callback, where the provider itself could not be asked any more.
    case callback
}
