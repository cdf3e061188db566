/// What a provider means by its words, codes and members, as data.
package struct ReadingRules: Sendable, Hashable {
    /// What a number called progress counts.
    package enum ProgressScale: String, Sendable, Hashable, CaseIterable {
        /// 0 to 100.
        case percent
        /// 0 to 1.
        case fraction
    }

    package var words = StateWords()
    package var codes = AnswerCodes()
    package var progressScale = ProgressScale.percent
    /// Names of members that hold a result when they are not empty; nil for the general names.
    ///
    /// Needed where replies echo inputs under names like those of results.
    package var resultMembers: Set<String>?
    /// The member that tells the end of a task that its words call ended, where there is no `finished_at`.
    package var endTimeMember: String?

    package init() {}
}

/// The words for a task's state, in lower case. A word that is not among them never ends a task, but is reported.
///
/// The defaults are the union of all documented services; no word has two meanings among them.
package struct StateWords: Sendable, Hashable {
    package var succeeded: Set<String> = ["succeed", "succeeded", "completed", "complete", "done", "ready"]
    package var failed: Set<String> = ["failed", "error", "cancelled", "canceled", "dead"]
    /// Headshots call an unfinished task `unknown`; the second line are other providers' words for the same.
    package var running: Set<String> = [
        "pending", "queued", "running", "processing", "planning", "producing", "unknown", "submitted", "created",
        "waiting", "starting", "started", "in_progress", "in_queue", "queueing", "preparing", "generating", "rendering",
    ]

    package init() {}
}

/// The error codes that mean more than "this request was refused".
package struct AnswerCodes: Sendable, Hashable {
    /// No request of this account will do better.
    package var stopsAccount: Set<String> = []
    /// Not accepted; later it may be.
    package var throttled: Set<String> = []
    /// The id that was asked for is not known.
    package var unknownTask: Set<String> = []
    /// The provider gave up waiting; the task may exist all the same.
    package var outcomeUnknown: Set<String> = []
    /// A fault behind the gateway, which some services report with a 2xx status.
    package var serverFault: Set<String> = []
    /// Not accepted, and never will be, even under a status that says otherwise.
    package var refused: Set<String> = []
    /// What HTTP statuses mean where they mean more than the usual.
    package var statuses: [Int: StatusMeaning] = [:]
    /// What a person can do about a code; `{endpoint}` stands for the endpoint's name.
    package var hints: [String: String] = [:]

    package init() {}
}

/// What an HTTP status says at a provider.
package enum StatusMeaning: String, Sendable, Hashable, CaseIterable {
    case stopsAccount = "stops_account"
    case throttled
    case unknownTask = "unknown_task"
    case outcomeUnknown = "outcome_unknown"
    case refused
}
