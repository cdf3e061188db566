package import VerbatimJSON

extension TaskEvent {
    /// What the provider says, if it says something.
    var observation: Observation? {
        switch self {
        case .observed(let observation), .submissionAnswered(let observation, _), .endedByCallback(let observation):
            observation
        case .calledBack(let delivery): delivery.observation
        default: nil
        }
    }

    /// The provider's record, where it is all but certain to be kept; not a callback's, which seldom is.
    package var recordToKeep: JSONValue? { if case .calledBack = self { nil } else { observation?.record } }

    /// The provider's record to keep; what a callback says counts only where it is the outcome.
    func record(leadingTo state: TaskState) -> JSONValue? {
        if case .calledBack = self, !state.hasEnded { return nil }
        return observation?.record
    }

    /// What came too late, for the log; of a callback, which anybody with its token can repeat, only what is small.
    var lateRecord: JSONValue {
        guard let record = observation?.record else { return .null }
        if case .calledBack = self, record.text.utf8.count > 65_536 { return .null }
        return record
    }

    /// What told of the outcome, if this event brought one from the provider.
    var source: OutcomeSource? {
        switch self {
        case .submissionAnswered, .submissionRefused: .submission
        case .observed: .poll
        case .calledBack, .endedByCallback: .callback
        default: nil
        }
    }

    /// Whether the log tells of it though the task stays where it is.
    var isWorthALine: Bool {
        switch self {
        case .slowerThanUsual, .replyTooLarge, .calledBack: true
        default: false
        }
    }

    /// What the log tells beyond the states.
    func detail(for task: TrackedTask) -> JSONObject {
        var detail = JSONObject()
        if isAboutAttempt, let attempt = task.attempt { detail["attempt"] = .number(JSONNumber(attempt.number)) }
        if task.state == .running, let id = task.remoteID { detail["remote_id"] = .string(id.text) }
        if case .calledBack(let delivery) = self {
            detail["attempt"] = .number(JSONNumber(delivery.attempt))
            detail["says"] = .string(delivery.word)
            if let id = delivery.remoteID { detail["remote_id"] = .string(id.text) }
        }
        if case .lookupUndecided = self, let possible = task.attempt?.possibleIDs, !possible.isEmpty {
            detail["possible"] = .array(possible.map { .string($0.text) })
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

    /// What a reply that was not accepted says, for the log.
    var failureDetail: JSONObject {
        switch self {
        case .submissionNotAccepted(let failure), .submissionRefused(let failure),
            .submissionInterrupted(let failure, _),
            .replyTooLarge(let failure):
            JSONObject([("code", .string(failure.code)), ("message", .string(failure.message))])
        default: JSONObject()
        }
    }

    private var isAboutAttempt: Bool {
        switch self {
        case .submissionStarted, .submissionAccepted, .submissionAnswered, .submissionNotAccepted, .submissionRefused,
            .submissionInterrupted, .foundInList, .foundByOwnID:
            true
        case .turnedUp, .absentFromList, .lookupUndecided, .adopted, .resubmitted, .givenUp, .observed, .calledBack,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .vanished, .cancelRequested, .reopenRequested,
            .deadlinePassed:
            false
        }
    }
}

extension CallbackDelivery {
    /// What its body claims, in a word for the log.
    var word: String {
        switch observation?.verdict {
        case nil: "unreadable"
        case .pending: "pending"
        case .succeeded: "succeeded"
        case .failed: "failed"
        }
    }
}
