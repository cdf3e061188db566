package import VerbatimJSON

/// The content of a poll, a callback or an inline reply in a provider-neutral form.
package struct Observation: Sendable, Hashable {
    /// The status that the reply shows.
    package enum Verdict: Sendable, Hashable {
        case pending
        /// `partial` means that some of several outputs failed.
        case succeeded(partial: Bool)
        case failed(TaskFailure)
    }

    package var verdict: Verdict
    /// 0 to 100, if reported.
    package var progress: Double?
    package var traceID: String?
    /// Times by the provider's clock, if reported.
    package var createdAt: Timestamp?
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    /// The provider's record, unchanged.
    package var record: JSONValue
    /// The results of a task that succeeded, found in the record by the endpoint's rules.
    package var results: [TaskResult] = []
    /// The shape of a record that is pending only because no rule understands it: the names of its members, and its
    /// unknown status word. Nil if the record is understood.
    package var unrecognisedShape: String?
    /// The status word, if the endpoint's definition lists it only in another case.
    package var respelledWord: String?
    /// When the poll was sent; nil for callbacks and inline replies.
    package var askedAt: Timestamp?
    /// The minimum delay before the next poll of this task, if the provider asks for one.
    package var minimumPollDelay: Duration?

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
