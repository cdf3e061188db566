import TaskModel
import VerbatimJSON

/// Replays one task's log through the real state machine.
struct LogReplay {
    private(set) var state: String?
    private(set) var attempts = 0
    private(set) var remoteID: String?
    /// The number of decisions that allow another paid request.
    private(set) var resubmissions = 0
    private(set) var personalResubmissions = 0
    private(set) var reopenings = 0
    /// Whether the submitter sent it, rather than a look-up, an adoption, tracking or reopening.
    private(set) var wasSent = false
    /// The steady time of its latest submission.
    private(set) var startedAt: Int64?
    /// The steady time of the submission before the latest.
    private(set) var earlierStartedAt: Int64?
    /// The accounts of these two submissions.
    private(set) var account = ""
    private(set) var earlierAccount = ""
    /// The submissions that may have been accepted: the steady time and the account of each.
    private(set) var perhapsAccepted: [(startedAt: Int64, account: String)] = []
    /// The latest resubmission: its steady time, and whether a user decided it.
    private(set) var latestResubmission: (isPersons: Bool, at: Int64)?
    /// The ids of late records beside its own.
    private(set) var lateIDs: Set<String> = []
    /// The steady time when it last became uncertain.
    private(set) var uncertainSince: Int64?

    /// Replays the next entry. Returns a description of an invalid one.
    mutating func take(_ event: DiskView.EventLine, atSteady steady: Int64) -> String? {
        defer {
            state = event.to
            // A callback's id counts only if the task uses it.
            if event.kind == "late_record", let id = event.remoteID { lateIDs.insert(id) }
            if !["called_back", "late_record"].contains(event.kind) || event.from != event.to {
                remoteID = event.remoteID ?? remoteID
            }
            if ["submission_started", "perhaps_sent", "found_in_journal"].contains(event.kind) {
                attempts += 1
                earlierStartedAt = startedAt
                startedAt = steady
                earlierAccount = account
                account = event.account ?? ""
                perhapsAccepted.append((steady, account))
            }
            if event.kind == "submission_not_accepted", event.from == "submitting" { _ = perhapsAccepted.popLast() }
            if event.kind == "reopened" { reopenings += 1 }
            if event.to == "submitting" { wasSent = true }
            if event.to == "running", !event.kind.hasPrefix("submission_") { wasSent = false }
            if event.kind == "resubmitted" {
                resubmissions += 1
                if event.resolution == "resubmitted" { personalResubmissions += 1 }
                latestResubmission = (event.resolution == "resubmitted", steady)
            }
            if event.to == "uncertain", event.from != "uncertain" { uncertainSince = steady }
        }
        guard event.from == state else {
            return "\(event.kind) starts from \(event.from ?? "nothing"), not \(state ?? "nothing")"
        }
        guard let from = event.from.flatMap(TaskState.init(rawValue:)) else {
            let isBirth =
                event.kind == "created" && event.to == "queued" || event.kind == "tracked" && event.to == "running"
            return isBirth ? nil : "it begins with \(event.kind) to \(event.to)"
        }
        if event.kind == "joined" {
            return event.to == from.rawValue ? nil : "a retry leads from \(from) to \(event.to)"
        }
        if event.kind.hasPrefix("budget_") {
            let isQueued = from == .queued || event.kind == "budget_warning"
            return isQueued && event.to == from.rawValue ? nil : "\(event.kind) in \(from)"
        }
        if ["result_saved", "result_waiting"].contains(event.kind) {
            return from == .succeeded && event.to == from.rawValue ? nil : "a file in \(from)"
        }
        if event.kind == "late_result" {
            return from.hasEnded && event.to == from.rawValue ? nil : "a late result in \(from)"
        }
        // A reply or record that changes nothing.
        if ["submission_not_accepted", "submission_refused", "late_record"].contains(event.kind),
            event.to == from.rawValue
        {
            return nil
        }
        let leads = Self.candidates(event.kind).contains { candidate in
            [(false, false), (false, true), (true, true)].contains { isKnown, isCalledBack in
                switch TaskLifecycle.transition(
                    from: from, on: candidate, isKnownByCallback: isKnown, isCalledBack: isCalledBack, wasLost: true)
                {
                case .advance(let to): to.rawValue == event.to
                case .update:
                    ["called_back", "lookup_undecided"].contains(candidate.kind) && event.to == from.rawValue
                case .ignore, .note, .noteLateResult, .noteLateRecord, .refuse: false
                }
            }
        }
        return leads ? nil : "\(event.kind) does not lead from \(from) to \(event.to)"
    }

    /// The engine events that an entry of that kind may represent.
    private static func candidates(_ kind: String) -> [TaskEvent] {
        let failure = TaskFailure(code: "any", message: "any")
        guard let id = RemoteTaskID("any") else { return [] }
        let observations = [Observation.Verdict.pending, .succeeded(partial: false), .failed(failure)].map {
            Observation($0, record: .null)
        }
        let all: [TaskEvent] =
            [
                .submissionStarted(), .perhapsSent(since: Timestamp(milliseconds: 0)),
                .foundInJournal(Attempt(number: 2, startedAt: Timestamp(milliseconds: 0)), account: .default),
                .submissionAccepted(id, traceID: nil), .submissionNotAccepted(failure),
                .submissionRefused(failure), .submissionInterrupted(failure, isProbablyRefused: false),
                .absentFromList, .lookupUndecided(), .foundInList(id, traceID: nil), .foundByOwnID(id, traceID: nil),
                .adopted(id),
                .resubmitted(.resubmitted), .givenUp(failure, .givenUp), .missed, .remoteTaskGone, .cancelRequested,
                .reopenRequested, .deadlinePassed,
            ] + observations.map { .observed($0) } + observations.map { .submissionAnswered($0, remoteID: id) }
            + observations.map { .submissionAnswered($0, remoteID: nil) }
            + observations.map { .calledBack(CallbackDelivery(attempt: 1, remoteID: id, observation: $0)) }
            + observations.map { .calledBack(CallbackDelivery(attempt: 1, observation: $0)) }
            + observations.map { .endedByCallback($0) }
        // A late acceptance has the effect of a callback.
        let isAcceptance = ["submission_accepted", "submission_answered", "late_record"].contains(kind)
        return all.filter { $0.kind == kind || isAcceptance && $0.kind == "called_back" }
    }
}
