package import VerbatimJSON

/// A task as the socket shows it; times are RFC 3339 in UTC with milliseconds.
package struct TaskDocument: Sendable, Hashable {
    package var id: String
    package var endpoint: String
    /// One of ``states``, or one that a newer daemon knows.
    package var state: String
    /// Succeeded, but some of several outputs failed.
    package var partial: Bool
    /// The provider's id for it.
    package var remoteID: String?
    /// The provider's id for support questions.
    package var traceID: String?
    package var labels: [String: String]
    package var priority: Int
    /// What was asked for, unchanged; null for a task that was submitted elsewhere.
    package var request: JSONValue
    /// The provider's latest record, unchanged; null before there is one.
    package var response: JSONValue
    /// What was found in ``response``; empty until it has succeeded.
    package var results: [Result]
    package var error: Failure?
    /// 0 to 100, where the provider tells.
    package var progress: Double?
    package var eta: Expectation?
    /// RFC 3339; since when it is known to take longer than 99 of 100 of its kind, nil if it does not.
    package var slowerThanUsualSince: String?
    package var createdAt: String
    package var submittedAt: String?
    /// The provider's clock, where it tells.
    package var startedAt: String?
    /// The provider's clock, where it tells.
    package var finishedAt: String?
    /// When the daemon knew the outcome.
    package var endedAt: String?
    package var notBefore: String?
    package var deadline: String?
    package var nextPollAt: String?
    /// Paid requests begun.
    package var attempts: Int
    /// Status queries that told something about it; failed ones say nothing and do not count.
    package var polls: Int
    package var onUncertain: String
    /// How an uncertain submission was settled.
    package var resolution: String?
    /// What told how it ended at the provider: `submission`, `poll` or `callback`.
    package var outcomeSource: String?
    /// Callbacks for it: who is called, and what came; nil where its requests carry no callback URL.
    package var callback: Callback?
    /// Why a queued or uncertain task does not move at this moment.
    package var waitingFor: Reason?

    /// Why it failed; while it is open, why its latest attempt did not go through.
    package struct Failure: Sendable, Hashable {
        package var code: String
        package var message: String
        package var httpStatus: Int?
        /// What a person can do about it.
        package var hint: String?

        package init(code: String, message: String, httpStatus: Int? = nil, hint: String? = nil) {
            self.code = code
            self.message = message
            self.httpStatus = httpStatus
            self.hint = hint
        }
    }

    /// Who is called back about a task, and what came.
    package struct Callback: Sendable, Hashable {
        /// `pollux`, or `program` where the request names a URL of its own: then nothing comes here, and polling does the work.
        package var receiver: String
        package var deliveries: Int
        /// RFC 3339.
        package var latestAt: String?

        package init(receiver: String, deliveries: Int, latestAt: String? = nil) {
            self.receiver = receiver
            self.deliveries = deliveries
            self.latestAt = latestAt
        }
    }

    /// One thing that a task brought.
    package struct Result: Sendable, Hashable {
        /// `url`, `text`, `id` or `data`.
        package var kind: String
        /// Where it stands in ``TaskDocument/response``, as a JSON Pointer (RFC 6901).
        package var pointer: String
        /// What stands there; null for large data.
        package var value: JSONValue
        /// A guess by ending and name: `image/png`, `video/*`.
        package var mediaType: String?
        /// Of data, once decoded.
        package var sizeBytes: Int?

        package init(
            kind: String, pointer: String, value: JSONValue, mediaType: String? = nil, sizeBytes: Int? = nil
        ) {
            self.kind = kind
            self.pointer = pointer
            self.value = value
            self.mediaType = mediaType
            self.sizeBytes = sizeBytes
        }
    }

    /// When half of its kind, and nine tenths, would have ended.
    package struct Expectation: Sendable, Hashable {
        package var p50: String
        package var p90: String

        package init(p50: String, p90: String) {
            self.p50 = p50
            self.p90 = p90
        }
    }

    /// A stable word and a sentence.
    package struct Reason: Sendable, Hashable {
        package var code: String
        package var message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    package init(
        id: String, endpoint: String, state: String, partial: Bool = false, remoteID: String? = nil,
        traceID: String? = nil, labels: [String: String] = [:], priority: Int = 0, request: JSONValue = .null,
        response: JSONValue = .null, results: [Result] = [], error: Failure? = nil, progress: Double? = nil,
        eta: Expectation? = nil, slowerThanUsualSince: String? = nil,
        createdAt: String, submittedAt: String? = nil, startedAt: String? = nil, finishedAt: String? = nil,
        endedAt: String? = nil, notBefore: String? = nil, deadline: String? = nil, nextPollAt: String? = nil,
        attempts: Int = 0, polls: Int = 0, onUncertain: String = "hold", resolution: String? = nil,
        outcomeSource: String? = nil, callback: Callback? = nil, waitingFor: Reason? = nil
    ) {
        self.id = id
        self.endpoint = endpoint
        self.state = state
        self.partial = partial
        self.remoteID = remoteID
        self.traceID = traceID
        self.labels = labels
        self.priority = priority
        self.request = request
        self.response = response
        self.results = results
        self.error = error
        self.progress = progress
        self.eta = eta
        self.slowerThanUsualSince = slowerThanUsualSince
        self.createdAt = createdAt
        self.submittedAt = submittedAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.endedAt = endedAt
        self.notBefore = notBefore
        self.deadline = deadline
        self.nextPollAt = nextPollAt
        self.attempts = attempts
        self.polls = polls
        self.onUncertain = onUncertain
        self.resolution = resolution
        self.outcomeSource = outcomeSource
        self.callback = callback
        self.waitingFor = waitingFor
    }
}

extension TaskDocument {
    /// The states in the order of a task's life.
    package static let states = openStates + endedStates
    /// The states in which something is still to be done.
    package static let openStates = ["queued", "submitting", "uncertain", "running"]
    /// The states that are outcomes.
    package static let endedStates = ["succeeded", "failed", "cancelled", "expired"]

    /// Whether the task has its outcome.
    package var hasEnded: Bool { Self.endedStates.contains(state) }
}
