package import VerbatimJSON

/// A task as the API shows it. Times are RFC 3339 in UTC with milliseconds.
package struct TaskDocument: ContractDocument {
    package var id = ""
    package var endpoint = ""
    /// One of ``states``, or a state of a newer daemon.
    package var state = ""
    /// Whether it succeeded although some of several outputs failed.
    package var partial = false
    /// The provider's id of the task.
    package var remoteID: String?
    /// The account that has it, else the account of its latest attempt; nil if neither is known.
    package var account: String?
    /// The provider's id for support questions.
    package var traceID: String?
    package var labels: [String: String] = [:]
    package var priority = 0
    /// The request, unchanged; null for a task that was submitted elsewhere.
    package var request = JSONValue.null
    /// The provider's latest record, unchanged; null before there is one.
    package var response = JSONValue.null
    /// The results in ``response``; empty until the task has succeeded.
    package var results: [Result] = []
    package var error: Failure?
    /// 0 to 100, if the provider reports it.
    package var progress: Double?
    package var eta: Expectation?
    /// RFC 3339; since when the task is slower than 99 % of its kind; nil if it is not.
    package var slowerThanUsualSince: String?
    package var createdAt = ""
    package var submittedAt: String?
    /// The start by the provider's clock, if the provider reports it.
    package var startedAt: String?
    /// The end by the provider's clock, if the provider reports it.
    package var finishedAt: String?
    /// When the daemon learned the outcome.
    package var endedAt: String?
    package var notBefore: String?
    package var deadline: String?
    package var nextPollAt: String?
    /// The number of paid requests that were started.
    package var attempts = 0
    /// The number of status queries with an answer about the task. Failed ones do not count.
    package var polls = 0
    package var onUncertain = "hold"
    /// How an uncertain submission was resolved.
    package var resolution: String?
    /// What reported the outcome: `submission`, `poll` or `callback`.
    package var outcomeSource: String?
    /// Callback statistics; nil if the requests of the task have no callback URL.
    package var callback: Callback?
    /// Why a queued or uncertain task is blocked now.
    package var waitingFor: Reason?
    /// False if it was submitted with `"capture": false`, so that the files of its results are not fetched by themselves.
    package var capture = true
    /// The free text of the submission.
    package var note: String?
    /// The id of the ended task whose request it submits again.
    package var retryOf: String?
    /// The destination that is notified of it in any case.
    package var notify: String?
    /// Whether it is pinned, so that its details are not removed.
    package var pinned = false
    /// Which of its details were removed, and when; nil if none were.
    package var removed: Removed?

    /// The removed details of an ended task.
    package struct Removed: ContractDocument {
        /// RFC 3339. When the latest part was removed.
        package var at = ""
        /// The request, the note and the message of the error.
        package var request = false
        /// The record and the results.
        package var response = false
        /// The log.
        package var events = false

        package init() {}

        package init(at: String, request: Bool, response: Bool, events: Bool) {
            self.at = at
            self.request = request
            self.response = response
            self.events = events
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("at", &at)
            try coder.member("request", &request)
            try coder.member("response", &response)
            try coder.member("events", &events)
        }
    }

    /// Why the task failed or, while it is open, why its latest attempt failed.
    package struct Failure: ContractDocument {
        package var code = ""
        package var message = ""
        package var httpStatus: Int?
        /// What a person can do about it.
        package var hint: String?

        package init() {}

        package init(code: String, message: String, httpStatus: Int? = nil, hint: String? = nil) {
            self.code = code
            self.message = message
            self.httpStatus = httpStatus
            self.hint = hint
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("code", &code)
            try coder.member("message", &message)
            try coder.member("http_status", &httpStatus)
            try coder.member("hint", &hint)
        }
    }

    /// Callback statistics of a task.
    package struct Callback: ContractDocument {
        /// `pollux`, or `program` if the request names its own callback URL. Then Pollux receives none and only polls.
        package var receiver = ""
        package var deliveries = 0
        /// RFC 3339.
        package var latestAt: String?

        package init() {}

        package init(receiver: String, deliveries: Int, latestAt: String? = nil) {
            self.receiver = receiver
            self.deliveries = deliveries
            self.latestAt = latestAt
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("receiver", &receiver)
            try coder.member("deliveries", &deliveries)
            try coder.member("latest_at", &latestAt)
        }
    }

    /// One result of a task.
    package struct Result: ContractDocument {
        /// `url`, `text`, `id` or `data`.
        package var kind = ""
        /// Its place in ``TaskDocument/response``, as a JSON Pointer (RFC 6901).
        package var pointer = ""
        /// The value there; null for large data.
        package var value = JSONValue.null
        /// The media type, guessed from extension and name: `image/png`, `video/*`.
        package var mediaType: String?
        /// The size of decoded data.
        package var sizeBytes: Int?
        /// The file behind a URL; nil if it is not fetched.
        package var artefact: Artefact?

        package init() {}

        package init(
            kind: String, pointer: String, value: JSONValue, mediaType: String? = nil, sizeBytes: Int? = nil
        ) {
            self.kind = kind
            self.pointer = pointer
            self.value = value
            self.mediaType = mediaType
            self.sizeBytes = sizeBytes
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("kind", &kind)
            try coder.member("pointer", &pointer)
            try coder.member("value", &value)
            try coder.member("media_type", &mediaType)
            try coder.member("size_bytes", &sizeBytes)
            try coder.member("artefact", &artefact)
        }
    }

    /// The file behind the URL of a result.
    package struct Artefact: ContractDocument {
        /// `waiting`, `fetching`, `saved`, `removed`, `gone` or `refused`.
        package var state = ""
        /// Of the file, once it is saved, in hexadecimal digits.
        package var sha256: String?
        package var sizeBytes: Int?
        /// By the first bytes of the file.
        package var mediaType: String?
        /// Below the directory of the artefacts.
        package var path: String?
        /// Whether the file only names other files, which are not fetched.
        package var playlist = false
        /// RFC 3339. When a client first had the whole file over the socket.
        package var deliveredAt: String?
        /// Why the latest attempt failed, or why the file was removed.
        package var error: String?
        package var attempts = 0
        /// RFC 3339. When its URL stops working, if that is known.
        package var expiresAt: String?

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("state", &state)
            try coder.member("sha256", &sha256)
            try coder.member("size_bytes", &sizeBytes)
            try coder.member("media_type", &mediaType)
            try coder.member("path", &path)
            try coder.member("playlist", &playlist)
            try coder.member("delivered_at", &deliveredAt)
            try coder.member("error", &error)
            try coder.member("attempts", &attempts)
            try coder.member("expires_at", &expiresAt)
        }
    }

    /// When half, and when nine tenths, of tasks of its kind have ended.
    package struct Expectation: ContractDocument {
        package var p50 = ""
        package var p90 = ""

        package init() {}

        package init(p50: String, p90: String) {
            self.p50 = p50
            self.p90 = p90
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("p50", &p50)
            try coder.required("p90", &p90)
        }
    }

    /// A stable word and a sentence.
    package struct Reason: ContractDocument {
        package var code = ""
        package var message = ""
        /// The budget that the task waits for, and how much of it is missing; nil if no price tells that.
        package var budget: String?
        package var missing: AmountDocument?

        package init() {}

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("code", &code)
            try coder.member("message", &message)
            try coder.member("budget", &budget)
            try coder.member("missing", &missing)
        }
    }

    package init() {}

    /// Creates a task without further facts.
    package init(id: String, endpoint: String, state: String, createdAt: String) {
        self.id = id
        self.endpoint = endpoint
        self.state = state
        self.createdAt = createdAt
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("id", &id)
        try coder.required("endpoint", &endpoint)
        try coder.required("state", &state)
        try coder.member("partial", &partial)
        try coder.member("remote_id", &remoteID)
        try coder.member("account", &account)
        try coder.member("trace_id", &traceID)
        try coder.member("labels", &labels)
        try coder.member("priority", &priority)
        try coder.member("request", &request)
        try coder.member("response", &response)
        try coder.member("results", &results)
        try coder.member("error", &error)
        try coder.member("progress", &progress)
        try coder.member("eta", &eta)
        try coder.member("slower_than_usual_since", &slowerThanUsualSince)
        try coder.required("created_at", &createdAt)
        try coder.member("submitted_at", &submittedAt)
        try coder.member("started_at", &startedAt)
        try coder.member("finished_at", &finishedAt)
        try coder.member("ended_at", &endedAt)
        try coder.member("not_before", &notBefore)
        try coder.member("deadline", &deadline)
        try coder.member("next_poll_at", &nextPollAt)
        try coder.member("attempts", &attempts)
        try coder.member("polls", &polls)
        try coder.member("on_uncertain", &onUncertain)
        try coder.member("resolution", &resolution)
        try coder.member("outcome_source", &outcomeSource)
        try coder.member("callback", &callback)
        try coder.member("waiting_for", &waitingFor)
        try coder.member("capture", &capture)
        try coder.member("note", &note)
        try coder.member("retry_of", &retryOf)
        try coder.member("notify", &notify)
        try coder.member("pinned", &pinned)
        try coder.member("removed", &removed)
    }
}

extension TaskDocument {
    /// The states in the order of a task's life.
    package static let states = openStates + endedStates
    /// The states of tasks that have not ended.
    package static let openStates = ["queued", "submitting", "uncertain", "running"]
    /// The states that are outcomes.
    package static let endedStates = ["succeeded", "failed", "cancelled", "expired"]

    /// Whether the task has its outcome.
    package var hasEnded: Bool { Self.endedStates.contains(state) }
}
