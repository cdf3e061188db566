package import TaskModel

/// Every kind of ``TaskEvent``, with its word in the contract.
///
/// A new event does not compile until it is added here. Then each test of all kinds fails until it covers the new one.
package enum TaskEventKind: String, CaseIterable, Sendable {
    case submissionStarted = "submission_started"
    case submissionAccepted = "submission_accepted"
    case submissionAnswered = "submission_answered"
    case submissionNotAccepted = "submission_not_accepted"
    case submissionRefused = "submission_refused"
    case submissionInterrupted = "submission_interrupted"
    case perhapsSent = "perhaps_sent"
    case foundInJournal = "found_in_journal"
    case absentFromList = "absent_from_list"
    case lookupUndecided = "lookup_undecided"
    case foundInList = "found_in_list"
    case foundByOwnID = "found_by_own_id"
    case turnedUp = "late_record"
    case adopted
    case resubmitted
    case givenUp = "given_up"
    case observed
    case calledBack = "called_back"
    case endedByCallback = "ended_by_callback"
    case slowerThanUsual = "slower_than_usual"
    case replyTooLarge = "reply_too_large"
    case missed
    case remoteTaskGone = "vanished"
    case cancelRequested = "cancelled"
    case reopenRequested = "reopened"
    case deadlinePassed = "expired"

    /// The kind of an event.
    package init(_ event: TaskEvent) {
        self =
            switch event {
            case .submissionStarted: .submissionStarted
            case .submissionAccepted: .submissionAccepted
            case .submissionAnswered: .submissionAnswered
            case .submissionNotAccepted: .submissionNotAccepted
            case .submissionRefused: .submissionRefused
            case .submissionInterrupted: .submissionInterrupted
            case .perhapsSent: .perhapsSent
            case .foundInJournal: .foundInJournal
            case .absentFromList: .absentFromList
            case .lookupUndecided: .lookupUndecided
            case .foundInList: .foundInList
            case .foundByOwnID: .foundByOwnID
            case .turnedUp: .turnedUp
            case .adopted: .adopted
            case .resubmitted: .resubmitted
            case .givenUp: .givenUp
            case .observed: .observed
            case .calledBack: .calledBack
            case .endedByCallback: .endedByCallback
            case .slowerThanUsual: .slowerThanUsual
            case .replyTooLarge: .replyTooLarge
            case .missed: .missed
            case .remoteTaskGone: .remoteTaskGone
            case .cancelRequested: .cancelRequested
            case .reopenRequested: .reopenRequested
            case .deadlinePassed: .deadlinePassed
            }
    }
}
