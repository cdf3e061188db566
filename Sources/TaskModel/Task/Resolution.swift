/// How an uncertain submission was resolved.
package enum Resolution: String, Sendable, CaseIterable {
    /// The provider's list shows it.
    case foundInList = "found_in_list"
    /// A look-up by its client id found it.
    case foundByOwnID = "found_by_own_id"
    /// The attempt's reply arrived after it was declared lost.
    case lateReply = "late_reply"
    /// A callback with its token arrived.
    case calledBack = "called_back"
    /// A user named the remote id.
    case adopted
    /// A user resubmitted it.
    case resubmitted
    /// The policy `resubmit_if_absent` resubmitted it.
    case resubmittedByPolicy = "resubmitted_by_policy"
    /// A user gave it up.
    case givenUp = "given_up"
    /// The policy `fail` gave it up.
    case givenUpByPolicy = "given_up_by_policy"
    /// The provider replied with an error, and its list never showed the task.
    case refusalConfirmed = "refusal_confirmed"
}
