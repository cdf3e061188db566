/// What to do with a submission whose outcome stays unknown.
package enum UncertainPolicy: String, Sendable, CaseIterable {
    /// Wait for a person. Nothing is ever paid twice.
    case hold
    /// Send it again once the provider's list has proven that it is absent.
    case resubmitIfAbsent = "resubmit_if_absent"
    /// End it with `submission_lost` after ten minutes of look-ups without a find; at once where there is nothing to look in.
    case fail
}
