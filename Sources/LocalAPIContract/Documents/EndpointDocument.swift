package import VerbatimJSON

/// One endpoint: what goes through it, how fast, and whether anything holds it up.
package struct EndpointDocument: ContractDocument {
    /// `service/operation`.
    package var name = ""
    package var provider = ""
    /// What it makes: `image`, `video`, `audio` or `text`.
    package var kind = "text"
    /// `asynchronously`, with an id at once, or `inline`, with nothing but the result.
    package var answers = "asynchronously"
    /// How many tasks one status query may name; nil where each needs its own.
    package var batchSize: Int?
    /// Whence the provider's own list of tasks is known, in which lost replies are found again: `documented`,
    /// `vendor_code` or `none`.
    package var listing = "none"
    /// A request that it takes; null where none is known.
    package var example = JSONValue.null
    /// `open`, `backing_off` or `paused`.
    package var state = "open"
    /// RFC 3339; when the backing off ends.
    package var until: String?
    /// Why it is not open, as a sentence.
    package var reason: String?
    /// Tasks that the provider has.
    package var inFlight = 0
    package var queued = 0
    package var uncertain = 0
    /// The cap on ``inFlight``; nil where there is none.
    package var maxInFlight: Int?
    package var submitsPerSecond: Double?
    /// What the provider's profile says before anything was learned.
    package var typicalSeconds: Double?
    package var learned: Durations?
    /// Tasks that ended at the provider, since the first.
    package var finished = 0
    /// Status queries for each of these; one that names several tasks is shared by them. Nil before the first end.
    package var callsPerTask: Double?
    /// How long ends went unnoticed on average; nil where it is not known of any.
    package var meanLatenessSeconds: Double?
    /// How often the provider has said "too many requests".
    package var throttled = 0
    /// Status queries of its service since the daemon started.
    package var polls = 0
    package var pollsPerMinute = 0.0
    package var lastError: LastError?
    /// How its callbacks do; nil where none were asked for yet.
    package var callbacks: Callbacks?
    /// Records that no rule understood since the daemon started; nil if there were none.
    package var unrecognised: Unrecognised?

    /// What the endpoint's own history tells of how long a task takes.
    package struct Durations: ContractDocument {
        package var p50Seconds = 0.0
        package var p90Seconds = 0.0
        /// How many tasks that rests on.
        package var samples = 0

        package init() {}

        package init(p50Seconds: Double, p90Seconds: Double, samples: Int) {
            self.p50Seconds = p50Seconds
            self.p90Seconds = p90Seconds
            self.samples = samples
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("p50_seconds", &p50Seconds)
            try coder.required("p90_seconds", &p90Seconds)
            try coder.required("samples", &samples)
        }
    }

    /// How an endpoint's callbacks do.
    package struct Callbacks: ContractDocument {
        /// Tasks that ended and whose end was to be delivered.
        package var expected = 0
        /// Of these, whose end was delivered, sooner or later.
        package var came = 0
        /// Of these, whose end a poll told, and no callback ever did.
        package var missing = 0
        /// 0 to 1; what status queries thin out by.
        package var trust = 0.0
        /// From the end to its delivery; nil where that is not known of any.
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

    /// The latest thing that went wrong.
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

    /// Records that no rule understood.
    package struct Unrecognised: ContractDocument {
        package var count = 0
        /// The names of members, and a word for the state that is unknown; no other values.
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

    /// An open endpoint of which no more is known.
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
