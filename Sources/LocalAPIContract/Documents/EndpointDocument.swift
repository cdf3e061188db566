package import VerbatimJSON

/// An endpoint: its load, its speed and what blocks it.
package struct EndpointDocument: ContractDocument {
    /// `service/operation`.
    package var name = ""
    package var provider = ""
    /// The kind of its results: `image`, `video`, `audio` or `text`.
    package var kind = "text"
    /// `asynchronously`, with an id at once, or `inline`, with only the result.
    package var answers = "asynchronously"
    /// The maximum number of tasks in one status query; nil if each task needs its own query.
    package var batchSize: Int?
    /// The source from which the provider's task list is known: `documented`, `vendor_code` or `none`. Lost submissions
    /// are searched in that list.
    package var listing = "none"
    /// An example request; null if none is known.
    package var example = JSONValue.null
    /// `open`, `backing_off` or `paused`.
    package var state = "open"
    /// RFC 3339; when the backoff ends.
    package var until: String?
    /// Why it is not open, as a sentence.
    package var reason: String?
    /// The number of tasks that the provider has accepted and not ended.
    package var inFlight = 0
    package var queued = 0
    package var uncertain = 0
    /// The limit of ``inFlight``; nil if there is none.
    package var maxInFlight: Int?
    package var submitsPerSecond: Double?
    /// The typical duration by the definition, used until durations are learned.
    package var typicalSeconds: Double?
    package var learned: Durations?
    /// The number of tasks that ever ended at the provider.
    package var finished = 0
    /// Status queries per ended task; a batch query counts in parts. Nil before the first end.
    package var callsPerTask: Double?
    /// The mean delay from an end to its detection; nil if unknown.
    package var meanLatenessSeconds: Double?
    /// The number of throttled replies.
    package var throttled = 0
    /// Status queries of its service since the daemon started.
    package var polls = 0
    package var pollsPerMinute = 0.0
    package var lastError: LastError?
    /// Callback statistics; nil before the first request for a callback.
    package var callbacks: Callbacks?
    /// What a task costs; nil if that is not known.
    package var price: PriceDocument?
    /// Unrecognised records since the daemon started; nil if there were none.
    package var unrecognised: Unrecognised?

    /// Durations learned from the endpoint's own tasks.
    package struct Durations: ContractDocument {
        package var p50Seconds = 0.0
        package var p90Seconds = 0.0
        /// The number of tasks that they are learned from.
        package var samples = 0
        /// How many have ended by which age, the youngest first; nil in a list of endpoints.
        package var curve: [CurvePoint]?

        package init() {}

        package init(p50Seconds: Double, p90Seconds: Double, samples: Int, curve: [CurvePoint]? = nil) {
            self.p50Seconds = p50Seconds
            self.p90Seconds = p90Seconds
            self.samples = samples
            self.curve = curve
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("p50_seconds", &p50Seconds)
            try coder.required("p90_seconds", &p90Seconds)
            try coder.required("samples", &samples)
            try coder.member("curve", &curve)
        }
    }

    /// A point of the curve of durations.
    package struct CurvePoint: ContractDocument {
        /// The age.
        package var seconds = 0.0
        /// The share of tasks that have ended by then, from 0 to 1.
        package var ended = 0.0

        package init() {}

        package init(seconds: Double, ended: Double) {
            self.seconds = seconds
            self.ended = ended
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("seconds", &seconds)
            try coder.required("ended", &ended)
        }
    }

    /// Callback statistics of an endpoint.
    package struct Callbacks: ContractDocument {
        /// The number of ended tasks with a requested callback.
        package var expected = 0
        /// The number of those whose callback arrived.
        package var came = 0
        /// The number of those whose end a poll found and whose callback never arrived.
        package var missing = 0
        /// 0 to 1; the share by which status queries are reduced.
        package var trust = 0.0
        /// The mean delay from an end to its delivery; nil if unknown.
        package var meanDelaySeconds: Double?

        package init() {}

        package init(expected: Int, came: Int, missing: Int, trust: Double, meanDelaySeconds: Double? = nil) {
            self.expected = expected
            self.came = came
            self.missing = missing
            self.trust = trust
            self.meanDelaySeconds = meanDelaySeconds
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("expected", &expected)
            try coder.required("came", &came)
            try coder.member("missing", &missing)
            try coder.member("trust", &trust)
            try coder.member("mean_delay_seconds", &meanDelaySeconds)
        }
    }

    /// The latest error.
    package struct LastError: ContractDocument {
        package var code = ""
        package var message = ""
        package var httpStatus: Int?
        /// RFC 3339.
        package var at = ""

        package init() {}

        package init(code: String, message: String, httpStatus: Int? = nil, at: String) {
            self.code = code
            self.message = message
            self.httpStatus = httpStatus
            self.at = at
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("code", &code)
            try coder.member("message", &message)
            try coder.member("http_status", &httpStatus)
            try coder.required("at", &at)
        }
    }

    /// Records that no rule recognises.
    package struct Unrecognised: ContractDocument {
        package var count = 0
        /// The member names of the latest record and its unknown state word; no other values.
        package var lastShape = ""
        /// RFC 3339.
        package var lastAt = ""

        package init() {}

        package init(count: Int, lastShape: String, lastAt: String) {
            self.count = count
            self.lastShape = lastShape
            self.lastAt = lastAt
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("count", &count)
            try coder.member("last_shape", &lastShape)
            try coder.required("last_at", &lastAt)
        }
    }

    package init() {}

    /// Creates an open endpoint without further facts.
    package init(name: String, provider: String) {
        self.name = name
        self.provider = provider
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("name", &name)
        try coder.member("provider", &provider)
        try coder.member("kind", &kind)
        try coder.member("answers", &answers)
        try coder.member("batch_size", &batchSize)
        try coder.member("listing", &listing)
        try coder.member("example", &example)
        try coder.required("state", &state)
        try coder.member("until", &until)
        try coder.member("reason", &reason)
        try coder.member("in_flight", &inFlight)
        try coder.member("queued", &queued)
        try coder.member("uncertain", &uncertain)
        try coder.member("max_in_flight", &maxInFlight)
        try coder.member("submits_per_second", &submitsPerSecond)
        try coder.member("typical_seconds", &typicalSeconds)
        try coder.member("learned", &learned)
        try coder.member("finished", &finished)
        try coder.member("calls_per_task", &callsPerTask)
        try coder.member("mean_lateness_seconds", &meanLatenessSeconds)
        try coder.member("throttled", &throttled)
        try coder.member("polls", &polls)
        try coder.member("polls_per_minute", &pollsPerMinute)
        try coder.member("last_error", &lastError)
        try coder.member("callbacks", &callbacks)
        try coder.member("unrecognised", &unrecognised)
        try coder.member("price", &price)
    }
}

/// All endpoints that the daemon knows.
package struct EndpointPage: ContractDocument {
    package var endpoints: [EndpointDocument] = []

    package init() {}

    package init(endpoints: [EndpointDocument]) {
        self.endpoints = endpoints
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("endpoints", &endpoints)
    }
}
