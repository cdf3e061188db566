/// Something that happened to a task. What it leads to is ``TaskLifecycle``'s to say.
package enum TaskEvent: Sendable, Hashable {
    /// The intent to send the paid request; committed before its first byte. `callback` is of the token in the callback
    /// URL that it carries.
    case submissionStarted(callback: CallbackDigest? = nil)
    /// The reply named the provider's id.
    case submissionAccepted(RemoteTaskID, traceID: String?, pollURL: String? = nil)
    /// The reply already was the result, good or bad.
    case submissionAnswered(Observation, remoteID: RemoteTaskID?)
    /// It is proven that the provider did not take it: nothing was sent, or it said "later".
    case submissionNotAccepted(TaskFailure)
    /// The provider said no.
    case submissionRefused(TaskFailure)
    /// Nothing is proven: the reply was lost, broken or a server error.
    case submissionInterrupted(TaskFailure, isProbablyRefused: Bool)

    /// The provider's list of tasks was read completely and does not show it.
    case absentFromList
    /// Nothing is proven: the reading was not complete, or it shows these records, which may be the task's.
    case lookupUndecided(possible: [RemoteTaskID] = [])
    /// The provider's list shows it.
    case foundInList(RemoteTaskID, traceID: String?)
    /// The provider knows it by the id that we gave it.
    case foundByOwnID(RemoteTaskID, traceID: String?)
    /// The provider's list shows a record of an attempt that was given up.
    case turnedUp(RemoteTaskID, traceID: String?)
    /// A person says which one it is.
    case adopted(RemoteTaskID)
    /// A person or the policy wants it sent again.
    case resubmitted(Resolution)
    /// A person, the policy or the proof that it was refused ends it.
    case givenUp(TaskFailure, Resolution)

    /// A poll told how it stands.
    case observed(Observation)
    /// Something arrived at the callback URL of one of its attempts.
    case calledBack(CallbackDelivery)
    /// The provider does not know it any more, but had delivered how it ended.
    case endedByCallback(Observation)
    /// It has been running for longer than 99 of 100 of its kind.
    case slowerThanUsual
    /// Its record has more bytes than are read, so that a poll cannot tell how it stands.
    case replyTooLarge(TaskFailure)
    /// A poll found that the provider does not know the id, which proves little by itself.
    case missed
    /// It was missed often and long enough.
    case vanished

    /// A person stops the tracking.
    case cancelRequested
    /// A person wants it tracked again.
    case reopenRequested
    /// Its deadline is over.
    case deadlinePassed
}

extension TaskEvent {
    /// What a reply or a record proves of an attempt that the provider has accepted; nil for every other event.
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

    /// The word for it in the log; part of the contract.
    package var kind: String {
        switch self {
        case .submissionStarted: "submission_started"
        case .submissionAccepted: "submission_accepted"
        case .submissionAnswered: "submission_answered"
        case .submissionNotAccepted: "submission_not_accepted"
        case .submissionRefused: "submission_refused"
        case .submissionInterrupted: "submission_interrupted"
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
        case .vanished: "vanished"
        case .cancelRequested: "cancelled"
        case .reopenRequested: "reopened"
        case .deadlinePassed: "expired"
        }
    }
}
