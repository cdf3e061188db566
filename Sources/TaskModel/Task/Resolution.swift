/// How an uncertain submission was settled.
package enum Resolution: String, Sendable, CaseIterable {
    /// Found again in the provider's list of tasks.
    case foundInList = "found_in_list"
    /// Looked up by the id that we had given it.
    case foundByOwnID = "found_by_own_id"
    /// The reply to the attempt arrived after the attempt was declared lost.
    case lateReply = "late_reply"
    /// A callback for its token told of it.
    case calledBack = "called_back"
    /// A person named the remote id.
    case adopted
    /// A person had it sent again.
    case resubmitted
    /// The policy `resubmit_if_absent` had it sent again.
    case resubmittedByPolicy = "resubmitted_by_policy"
    /// A person gave it up.
    case givenUp = "given_up"
    /// The policy `fail` gave it up.
    case givenUpByPolicy = "given_up_by_policy"
    /// The provider answered with an error of its own, and its list never showed the task.
    case refusalConfirmed = "refusal_confirmed"
}
