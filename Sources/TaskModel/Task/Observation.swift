package import VerbatimJSON

/// What a poll, a callback or an inline reply taught us about a task, the same for every provider.
package struct Observation: Sendable, Hashable {
    /// What the evidence says.
    package enum Verdict: Sendable, Hashable {
        case pending
        /// Partial where some of several outputs failed.
        case succeeded(partial: Bool)
        case failed(TaskFailure)
    }

    package var verdict: Verdict
    /// 0 to 100, where told.
    package var progress: Double?
    package var traceID: String?
    /// Times by the provider's clock, where told.
    package var createdAt: Timestamp?
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    /// What the provider said, unchanged.
    package var record: JSONValue
    /// What the task brought, where it has succeeded: found in the record by the endpoint's own rules.
    package var results: [TaskResult] = []
    /// What a record looks like that is pending only because no rule understands it: names of members, and a word for
    /// its state that is unknown. Nil where it is understood.
    package var unrecognisedShape: String?
    /// The word for its state, where the endpoint's definition lists it in another case only.
    package var respelledWord: String?
    /// When the status query that brought it was sent: what it says held then. Nil for what nobody asked for.
    package var askedAt: Timestamp?
    /// How long the provider asks to be left alone about this task, where it says so.
    package var leaveAloneFor: Duration?

    package init(
        _ verdict: Verdict, record: JSONValue, progress: Double? = nil, traceID: String? = nil,
        createdAt: Timestamp? = nil, startedAt: Timestamp? = nil, finishedAt: Timestamp? = nil,
        unrecognisedShape: String? = nil
    ) {
        self.verdict = verdict
        self.record = record
        self.progress = progress
        self.traceID = traceID
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.unrecognisedShape = unrecognisedShape
    }
}
