/// What to do with a submission whose outcome stays unknown.
package enum UncertainPolicy: String, Sendable, CaseIterable {
    /// Wait for a person. Nothing is ever paid twice.
    case hold
    /// Send it again once the provider's list has been read often enough without it.
    case resubmitIfAbsent = "resubmit_if_absent"
    /// End it with `submission_lost` under the same proof.
    case fail
}
