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
    /// Where a refusal says how long to wait, besides `Retry-After`.
    var wait: WaitPlace?
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

/// The error codes, messages and HTTP statuses that mean more than "this request was refused".
package struct AnswerCodes: Sendable, Hashable {
    /// What codes mean, by the codes in lower case.
    package var codes: [String: AnswerMeaning] = [:]
    /// What messages mean that contain a text, by the texts in lower case.
    package var texts: [String: AnswerMeaning] = [:]
    /// What HTTP statuses mean.
    package var statuses: [Int: AnswerMeaning] = [:]
    /// What a person can do about a code; `{endpoint}` stands for the endpoint's name.
    package var hints: [String: String] = [:]

    package init() {}

    /// What a definition says of a code and a message; nil where it says nothing.
    ///
    /// A text goes before a code, since it tells more: one code often stands for several reasons. Of several texts the
    /// longest counts.
    func meaning(code: String?, message: String?) -> AnswerMeaning? {
        if let message, !texts.isEmpty {
            let message = message.lowercased()
            let found = texts.filter { message.contains($0.key) }
            if let text = found.max(by: { ($0.key.utf8.count, $0.key) < ($1.key.utf8.count, $1.key) }) {
                return text.value
            }
        }
        return code.flatMap { codes[$0.lowercased()] }
    }
}

/// What a code, a message or an HTTP status says at a provider.
package enum AnswerMeaning: String, Sendable, Hashable, CaseIterable {
    /// No request of this account is taken until somebody mends it; this one may be sent again then.
    case stopsAccount = "stops_account"
    /// The same, and this task has ended.
    case refusedStopsAccount = "refused_stops_account"
    /// Not accepted; later it may be.
    case throttled
    /// The id that was asked for is not known.
    case unknownTask = "unknown_task"
    /// The provider gave up waiting; the task may exist all the same.
    case outcomeUnknown = "outcome_unknown"
    /// A fault behind the gateway, which some services report with a 2xx status.
    case serverFault = "server_fault"
    /// Not accepted, and never will be, even under a status that says otherwise.
    case refused
}
