/// Something that happened to a task. ``TaskLifecycle`` decides its effect.
package enum TaskEvent: Sendable, Hashable {
    /// The intent to send the paid request by that account, committed before its first byte. `callback` is the digest of
    /// the token in its callback URL.
    case submissionStarted(callback: CallbackDigest? = nil, account: AccountName = .default)
    /// The reply contains the provider's id.
    case submissionAccepted(RemoteTaskID, traceID: String?, pollURL: String? = nil)
    /// The reply is already the final result or failure.
    case submissionAnswered(Observation, remoteID: RemoteTaskID?)
    /// The provider certainly did not accept it: nothing was sent, or the provider asked to retry later.
    case submissionNotAccepted(TaskFailure)
    /// The provider rejected the request.
    case submissionRefused(TaskFailure)
    /// The outcome is unknown: the reply was lost, broken or a server error.
    case submissionInterrupted(TaskFailure, isProbablyRefused: Bool)

    /// The task may have been sent since that time, because the database may be an older copy. `possible` are records
    /// of the provider's list that may be the task's. It is empty if the database is known to be a copy.
    case perhapsSent(since: Timestamp, possible: [RemoteTaskID] = [])
    /// The journal of a machine has this attempt by that account, which a shared database has lost.
    case foundInJournal(Attempt, account: AccountName)

    /// The provider's complete list does not contain it.
    case absentFromList
    /// The look-up proves nothing: the list was incomplete, or shows these records, which may be the task's.
    case lookupUndecided(possible: [RemoteTaskID] = [])
    /// The provider's list contains it.
    case foundInList(RemoteTaskID, traceID: String?)
    /// The provider knows it by its client id.
    case foundByOwnID(RemoteTaskID, traceID: String?)
    /// The provider's list contains a record of a given-up attempt.
    case turnedUp(RemoteTaskID, traceID: String?)
    /// A user named its remote id.
    case adopted(RemoteTaskID)
    /// A user or the policy resubmits it.
    case resubmitted(Resolution)
    /// A user, the policy or a proven rejection ends it.
    case givenUp(TaskFailure, Resolution)

    /// A poll returned its status.
    case observed(Observation)
    /// A delivery arrived at the callback URL of one of its attempts.
    case calledBack(CallbackDelivery)
    /// The provider no longer knows it, but had delivered its end.
    case endedByCallback(Observation)
    /// It has run longer than 99 of 100 tasks of its kind.
    case slowerThanUsual
    /// Its record exceeds the size limit, so a poll cannot read its status.
    case replyTooLarge(TaskFailure)
    /// A poll did not find the id. One such poll proves little.
    case missed
    /// Polls did not find the id often and long enough to conclude that it is gone.
    case remoteTaskGone

    /// A user cancels the tracking.
    case cancelRequested
    /// A user reopens it.
    case reopenRequested
    /// Its deadline passed.
    case deadlinePassed
}

extension TaskEvent {
    /// The acceptance of an attempt that a reply or a record proves; nil for all other events.
    package func acceptance(of attempt: Int) -> CallbackDelivery? {
        switch self {
        case .submissionAccepted(let id, _, _), .turnedUp(let id, _): CallbackDelivery(attempt: attempt, remoteID: id)
        case .submissionAnswered(let observation, let id):
            CallbackDelivery(attempt: attempt, remoteID: id, observation: observation)
        default: nil
        }
    }

    /// Whether it is a callback.
    package var isDelivery: Bool { if case .calledBack = self { true } else { false } }

    /// The word for the event in the log. It is part of the contract.
    package var kind: String {
        switch self {
        case .submissionStarted: "submission_started"
        case .submissionAccepted: "submission_accepted"
        case .submissionAnswered: "submission_answered"
        case .submissionNotAccepted: "submission_not_accepted"
        case .submissionRefused: "submission_refused"
        case .submissionInterrupted: "submission_interrupted"
        case .perhapsSent: "perhaps_sent"
        case .foundInJournal: "found_in_journal"
        case .absentFromList: "absent_from_list"
        case .lookupUndecided: "lookup_undecided"
        case .foundInList: "found_in_list"
        case .foundByOwnID: "found_by_own_id"
        case .turnedUp: "late_record"
        case .adopted: "adopted"
        case .resubmitted: "resubmitted"
        case .givenUp: "given_up"
        case .observed: "observed"
        case .calledBack: "called_back"
        case .endedByCallback: "ended_by_callback"
        case .slowerThanUsual: "slower_than_usual"
        case .replyTooLarge: "reply_too_large"
        case .missed: "missed"
        case .remoteTaskGone: "vanished"
        case .cancelRequested: "cancelled"
        case .reopenRequested: "reopened"
        case .deadlinePassed: "expired"
        }
    }
}
