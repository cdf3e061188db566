package import VerbatimJSON

/// A tracked generation.
///
/// ``TaskPayload`` holds its request and response separately, because they are large and rarely needed.
package struct TrackedTask: Sendable, Hashable {
    package let id: TaskID
    package let endpoint: EndpointName
    /// The model in the request, if it is a short word. Tasks of one model take about equally long.
    package var model: String?
    package var state: TaskState
    /// Whether it succeeded although some of several outputs failed.
    package var isPartial: Bool
    /// The account that has its remote id; without an id, that of its latest attempt.
    ///
    /// ``AccountName/unknown`` if a later state of the database than this copy may have started the attempt.
    package var account = AccountName.default
    package var remoteID: RemoteTaskID?
    /// The status URL from the provider, if it sent one.
    package var pollURL: String?
    /// The provider's id for support questions.
    package var traceID: String?
    package var labels: [String: String]
    /// Whether the files of its results are fetched by themselves, if the settings allow it.
    package var capturesResults = true
    /// The client's free text. Pollux does not interpret it.
    package var note: String?
    /// The ended task whose request it submits again.
    package var retryOf: TaskID?
    /// The destination that is notified of it besides those whose filters it passes.
    package var notify: String?
    /// Higher priorities come first; equal ones in order of age.
    package var priority: Int
    /// Why it failed, or why the latest attempt of an open task failed.
    package var failure: TaskFailure?
    /// 0 to 100, if the provider reports it.
    package var progress: Double?
    package var createdAt: Timestamp
    /// When the accepted attempt began.
    package var submittedAt: Timestamp?
    /// The start time by the provider's clock, if reported.
    package var startedAt: Timestamp?
    /// The end time by the provider's clock, if reported.
    package var finishedAt: Timestamp?
    /// The start of its age: the submission time, adjusted for all later jumps of the wall clock.
    ///
    /// It serves only the schedule. Shown times are not adjusted.
    package var ageFrom: Timestamp?
    /// When a poll last found it unfinished, adjusted like ``ageFrom``.
    package var lastPendingAt: Timestamp?
    /// The time in the provider's queue by the provider's clock, if the start is reported.
    package var waited: Duration?
    /// When ``progress`` first had its current value, adjusted like ``ageFrom``.
    package var progressAt: Timestamp?
    /// When the log noted that it takes longer than 99 of 100 of its kind. Noted at most once.
    package var slowAt: Timestamp?
    /// When its outcome became known.
    package var endedAt: Timestamp?
    package var notBefore: Timestamp?
    package var deadline: Timestamp?
    /// When the engine handles it next: a poll, a look-up or a submission. Nil after its end.
    package var nextDueAt: Timestamp?
    package var onUncertain: UncertainPolicy
    /// The latest attempt to send it.
    package var attempt: Attempt?
    /// The number of started paid requests.
    package var attempts: Int
    /// The number of polls that returned a status or did not find it. Failed polls do not count.
    package var polls: Int
    package var resolution: Resolution?
    /// Whether the request contains the program's callback URL. Pollux then adds none and polls.
    package var hasOwnCallback = false
    /// The deliveries to the callback URLs of its attempts.
    package var callbacks = CallbackRecord()
    /// The source of the outcome; nil while it is open or if the provider reported none.
    package var outcomeSource: OutcomeSource?
    /// The number of its results. Nil before success, and for a success that an earlier version stored without results.
    package var resultCount: Int?
    /// The number of consecutive polls that did not find the remote id, and the time of the first.
    package var notFoundCount: Int
    package var firstMissAt: Timestamp?
    /// Whether a user keeps its details from removal.
    package var isPinned = false
    /// Which of its details were removed; nil if none were.
    package var removed: RemovedDetails?

    /// Creates a new task.
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
        notFoundCount = 0
        nextDueAt = notBefore ?? createdAt
    }
}

extension TrackedTask {
    /// Its service as its account uses it.
    package var accountService: AccountService { AccountService(endpoint.service, of: account) }

    /// Whether Pollux saw the provider accept it: a reply or a callback supplied the id, not a user or a list.
    package var wasSeenAccepted: Bool {
        guard remoteID != nil, attempt != nil, submittedAt != nil, failure != .remoteTaskNotFound else { return false }
        return switch resolution {
        case nil, .calledBack, .resubmitted, .resubmittedByPolicy: true
        case .lateReply, .foundInList, .foundByOwnID, .adopted, .givenUp, .givenUpByPolicy, .refusalConfirmed: false
        }
    }

    /// Whether a user supplied its id by tracking or adopting it. Its submission may be unknown to Pollux.
    package var isNamedByUser: Bool { remoteID != nil && (attempts == 0 || resolution == .adopted) }

    /// Whether it failed without an id and a later record supplied one.
    package var wasLost: Bool { state == .failed && remoteID != nil && submittedAt == nil }

    /// Whether a delivery still counts after the task has ended, because the task may be reopened.
    package var mayBeReopened: Bool { state.isReopenable || wasLost }
}

/// The unchanged request and response.
package struct TaskPayload: Sendable, Hashable {
    /// The request; null for a task that was submitted elsewhere.
    package var request: JSONValue
    /// The provider's latest record.
    package var response: JSONValue?
    /// The results in it, as its dialect named them when the success was observed; nil if none were stored.
    package var results: [TaskResult]?

    package init(request: JSONValue, response: JSONValue? = nil, results: [TaskResult]? = nil) {
        self.request = request
        self.response = response
        self.results = results
    }
}

extension TrackedTask {
    /// Whether it is uncertain only because the database may be an older copy.
    package var wasPerhapsSent: Bool { state == .uncertain && failure?.code == TaskFailure.perhapsSent }
}
