package import VerbatimJSON

extension TaskEvent {
    /// The provider's observation in the event, if any.
    package var observation: Observation? {
        switch self {
        case .observed(let observation), .submissionAnswered(let observation, _), .endedByCallback(let observation):
            observation
        case .calledBack(let delivery): delivery.observation
        default: nil
        }
    }

    /// The provider's record, if the event almost certainly stores it. A callback seldom does.
    package var recordToKeep: JSONValue? { if case .calledBack = self { nil } else { observation?.record } }

    /// The provider's record to store. A callback's record is stored only if it becomes the outcome.
    func record(leadingTo state: TaskState) -> JSONValue? {
        if case .calledBack = self, !state.hasEnded { return nil }
        return observation?.record
    }

    /// A late record for the log. A callback can be repeated at will, so only a short one is logged.
    var lateRecord: JSONValue {
        guard let record = observation?.record else { return .null }
        if case .calledBack = self, record.text.utf8.count > 65_536 { return .null }
        return record
    }

    /// The source of the outcome, if the event contains one from the provider.
    var source: OutcomeSource? {
        switch self {
        case .submissionAnswered, .submissionRefused: .submission
        case .observed: .poll
        case .calledBack, .endedByCallback: .callback
        default: nil
        }
    }

    /// Whether the event is logged although the state does not change.
    var isLogged: Bool {
        switch self {
        case .slowerThanUsual, .replyTooLarge, .calledBack: true
        default: false
        }
    }

    /// The details of the log entry, beyond the states.
    func detail(for task: TrackedTask) -> JSONObject {
        var detail = JSONObject()
        if isAboutAttempt, let attempt = task.attempt { detail["attempt"] = .number(JSONNumber(attempt.number)) }
        if case .submissionStarted(_, let account) = self { detail["account"] = .string(account.text) }
        for member in journalDetail.members { detail[member.name] = member.value }
        if task.state == .running, let id = task.remoteID { detail["remote_id"] = .string(id.text) }
        if case .calledBack(let delivery) = self {
            detail["attempt"] = .number(JSONNumber(delivery.attempt))
            detail["says"] = .string(delivery.word)
            if let id = delivery.remoteID { detail["remote_id"] = .string(id.text) }
        }
        switch self {
        case .lookupUndecided, .perhapsSent:
            let possible = task.attempt?.possibleIDs ?? []
            if !possible.isEmpty { detail["possible"] = .array(possible.map { .string($0.text) }) }
        default: break
        }
        if case .replyTooLarge(let failure) = self {
            detail["code"] = .string(failure.code)
            detail["message"] = .string(failure.message)
        }
        if case .resubmitted(let how) = self { detail["resolution"] = .string(how.rawValue) }
        if case .givenUp(_, let how) = self { detail["resolution"] = .string(how.rawValue) }
        if let failure = task.failure {
            detail["code"] = .string(failure.code)
            detail["message"] = .string(failure.message)
            detail["http_status"] = failure.httpStatus.map { .number(JSONNumber($0)) }
        }
        if task.isPartial { detail["partial"] = true }
        return detail
    }

    /// The details of a reply that rejected the submission, for the log.
    var failureDetail: JSONObject {
        switch self {
        case .submissionNotAccepted(let failure), .submissionRefused(let failure),
            .submissionInterrupted(let failure, _),
            .replyTooLarge(let failure):
            JSONObject([("code", .string(failure.code)), ("message", .string(failure.message))])
        default: JSONObject()
        }
    }

    /// When and by which account an attempt was started that a journal has.
    var journalDetail: JSONObject {
        guard case .foundInJournal(let attempt, let account) = self else { return JSONObject() }
        return JSONObject([
            ("attempt", .number(JSONNumber(attempt.number))), ("account", .string(account.text)),
            ("started_at", .string(attempt.startedAt.rfc3339)),
        ])
    }

    private var isAboutAttempt: Bool {
        switch self {
        case .submissionStarted, .submissionAccepted, .submissionAnswered, .submissionNotAccepted, .submissionRefused,
            .submissionInterrupted, .perhapsSent, .foundInJournal, .foundInList, .foundByOwnID:
            true
        case .turnedUp, .absentFromList, .lookupUndecided, .adopted, .resubmitted, .givenUp, .observed, .calledBack,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .remoteTaskGone, .cancelRequested,
            .reopenRequested,
            .deadlinePassed:
            false
        }
    }
}

extension CallbackDelivery {
    /// The body's claimed status as one word for the log.
    var word: String {
        switch observation?.verdict {
        case nil: "unreadable"
        case .pending: "pending"
        case .succeeded: "succeeded"
        case .failed: "failed"
        }
    }
}
