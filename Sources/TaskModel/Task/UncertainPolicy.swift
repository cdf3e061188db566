/// What to do with a submission whose outcome stays unknown.
package enum UncertainPolicy: String, Sendable, CaseIterable {
    /// Wait for a user. It is never paid twice.
    case hold
    /// Resubmit it once the provider's list proves that it is absent.
    case resubmitIfAbsent = "resubmit_if_absent"
    /// End it with `submission_lost` after ten minutes of failed look-ups, or immediately if there is nothing to
    /// search.
    case fail
}
