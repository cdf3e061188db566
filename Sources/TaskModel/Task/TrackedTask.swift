package import VerbatimJSON

/// One generation that a program asked for: what is tracked of it.
///
/// What was asked for and what came back stand apart in ``TaskPayload``, since they are large and rarely needed.
package struct TrackedTask: Sendable, Hashable {
    package let id: TaskID
    package let endpoint: EndpointName
    /// The model that the request names, where it does in a short word: tasks of one model take about equally long.
    package var model: String?
    package var state: TaskState
    /// Succeeded, but some of several outputs failed.
    package var isPartial: Bool
    package var remoteID: RemoteTaskID?
    /// Where the provider said to ask for it, if it did.
    package var pollURL: String?
    /// The provider's id for support questions.
    package var traceID: String?
    package var labels: [String: String]
    /// A free text of the program's, which only people read.
    package var note: String?
    /// Higher goes first; tasks of equal priority go in order of age.
    package var priority: Int
    /// Why it failed; while it is open, why its latest attempt did not go through.
    package var failure: TaskFailure?
    /// 0 to 100, where the provider tells.
    package var progress: Double?
    package var createdAt: Timestamp
    /// When the attempt that the provider accepted began.
    package var submittedAt: Timestamp?
    /// The provider's clock, where it tells.
    package var startedAt: Timestamp?
    /// The provider's clock, where it tells.
    package var finishedAt: Timestamp?
    /// The point from which its age counts: when it was submitted, moved along with every jump of the wall clock since.
    ///
    /// What is shown stays as it was written down; this is for the schedule alone.
    package var ageFrom: Timestamp?
    /// When a poll last found it unfinished; moved along like ``ageFrom``.
    package var lastPendingAt: Timestamp?
    /// How long it stood in the provider's queue, by the provider's clock, where it tells when it began.
    package var waited: Duration?
    /// When ``progress`` was first seen at what it is; moved along like ``ageFrom``.
    package var progressAt: Timestamp?
    /// When its log said that it takes longer than 99 of 100 of its kind; said once at most.
    package var slowAt: Timestamp?
    /// When we knew the outcome.
    package var endedAt: Timestamp?
    package var notBefore: Timestamp?
    package var deadline: Timestamp?
    /// When the engine looks at it next: a poll, a look-up, a try to send. Nil once ended.
    package var nextDueAt: Timestamp?
    package var onUncertain: UncertainPolicy
    /// The latest try to send it.
    package var attempt: Attempt?
    /// Paid requests begun.
    package var attempts: Int
    /// Status queries that told something about it; failed ones say nothing and do not count.
    package var polls: Int
    package var resolution: Resolution?
    /// Its request names a callback URL of the program's own; then none of ours is sent, and polling does the work.
    package var hasOwnCallback = false
    /// What arrived at the callback URLs of its attempts.
    package var callbacks = CallbackRecord()
    /// What told us how it ended at the provider; nil while it is open, and where the provider told nothing.
    package var outcomeSource: OutcomeSource?
    /// Look-ups in a row that did not know the remote id, and when the first of them was.
    package var misses: Int
    package var firstMissAt: Timestamp?

    /// A task as it begins; everything else is learned later.
    package init(
        id: TaskID, endpoint: EndpointName, state: TaskState = .queued, createdAt: Timestamp,
        onUncertain: UncertainPolicy = .hold, labels: [String: String] = [:], priority: Int = 0,
        notBefore: Timestamp? = nil, deadline: Timestamp? = nil, remoteID: RemoteTaskID? = nil
    ) {
        self.id = id
        self.endpoint = endpoint
        self.state = state
        self.createdAt = createdAt
        self.onUncertain = onUncertain
        self.labels = labels
        self.priority = priority
        self.notBefore = notBefore
        self.deadline = deadline
        self.remoteID = remoteID
        isPartial = false
        attempts = 0
        polls = 0
        misses = 0
        nextDueAt = notBefore ?? createdAt
    }
}

extension TrackedTask {
    /// Whether the provider accepted it before our eyes: its id was told by the reply or a callback, not by a person or a list.
    package var wasSeenAccepted: Bool {
        guard remoteID != nil, attempt != nil, submittedAt != nil, failure != .remoteTaskNotFound else { return false }
        return switch resolution {
        case nil, .calledBack, .resubmitted, .resubmittedByPolicy: true
        case .lateReply, .foundInList, .foundByOwnID, .adopted, .givenUp, .givenUpByPolicy, .refusalConfirmed: false
        }
    }

    /// Whether its id was named by a person, who tracked or adopted it: whose submission that was is not known.
    package var isNamedByPerson: Bool { remoteID != nil && (attempts == 0 || resolution == .adopted) }

    /// Whether it failed without an id, and a record that turned up later gave it one.
    package var wasLost: Bool { state == .failed && remoteID != nil && submittedAt == nil }

    /// Whether a delivery still counts after the task has ended, because the task may be reopened.
    package var mayBeReopened: Bool { state.isReopenable || wasLost }
}

/// What was asked for and what came back, both unchanged.
package struct TaskPayload: Sendable, Hashable {
    /// What the program asked for; null for a task that was submitted elsewhere.
    package var request: JSONValue
    /// The provider's latest record.
    package var response: JSONValue?

    package init(request: JSONValue, response: JSONValue? = nil) {
        self.request = request
        self.response = response
    }
}
