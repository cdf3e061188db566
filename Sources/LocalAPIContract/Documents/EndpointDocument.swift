package import VerbatimJSON

/// One endpoint: what goes through it, how fast, and whether anything holds it up.
package struct EndpointDocument: Sendable, Hashable {
    /// `service/operation`.
    package var name: String
    package var provider: String
    /// What it makes: `image`, `video`, `audio` or `text`.
    package var kind: String
    /// `asynchronously`, with an id at once, or `inline`, with nothing but the result.
    package var answers: String
    /// How many tasks one status query may name; nil where each needs its own.
    package var batchSize: Int?
    /// Whence the provider's own list of tasks is known, in which lost replies are found again: `documented`,
    /// `vendor_code` or `none`.
    package var listing: String
    /// A request that it takes; null where none is known.
    package var example: JSONValue
    /// `open`, `backing_off` or `paused`.
    package var state: String
    /// RFC 3339; when the backing off ends.
    package var until: String?
    /// Why it is not open, as a sentence.
    package var reason: String?
    /// Tasks that the provider has.
    package var inFlight: Int
    package var queued: Int
    package var uncertain: Int
    /// The cap on ``inFlight``; nil where there is none.
    package var maxInFlight: Int?
    package var submitsPerSecond: Double?
    /// What the provider's profile says before anything was learned.
    package var typicalSeconds: Double?
    package var learned: Durations?
    /// Tasks that ended at the provider, since the first.
    package var finished: Int
    /// Status queries for each of these; one that names several tasks is shared by them. Nil before the first end.
    package var callsPerTask: Double?
    /// How long ends went unnoticed on average; nil where it is not known of any.
    package var meanLatenessSeconds: Double?
    /// How often the provider has said "too many requests".
    package var throttled: Int
    /// Status queries of its service since the daemon started.
    package var polls: Int
    package var pollsPerMinute: Double
    package var lastError: LastError?
    /// How its callbacks do; nil where none were asked for yet.
    package var callbacks: Callbacks?
    /// Records that no rule understood since the daemon started; nil if there were none.
    package var unrecognised: Unrecognised?

    /// What the endpoint's own history tells of how long a task takes.
    package struct Durations: Sendable, Hashable {
        package var p50Seconds: Double
        package var p90Seconds: Double
        /// How many tasks that rests on.
        package var samples: Int

        package init(p50Seconds: Double, p90Seconds: Double, samples: Int) {
            self.p50Seconds = p50Seconds
            self.p90Seconds = p90Seconds
            self.samples = samples
        }
    }

    /// How an endpoint's callbacks do.
    package struct Callbacks: Sendable, Hashable {
        /// Tasks that ended and whose end was to be delivered.
        package var expected: Int
        /// Of these, whose end was delivered, sooner or later.
        package var came: Int
        /// Of these, whose end a poll told, and no callback ever did.
        package var missing: Int
        /// 0 to 1; what status queries thin out by.
        package var trust: Double
        /// From the end to its delivery; nil where that is not known of any.
        package var meanDelaySeconds: Double?

        package init(expected: Int, came: Int, missing: Int, trust: Double, meanDelaySeconds: Double? = nil) {
            self.expected = expected
            self.came = came
            self.missing = missing
            self.trust = trust
            self.meanDelaySeconds = meanDelaySeconds
        }
    }

    /// The latest thing that went wrong.
    package struct LastError: Sendable, Hashable {
        package var code: String
        package var message: String
        package var httpStatus: Int?
        /// RFC 3339.
        package var at: String

        package init(code: String, message: String, httpStatus: Int? = nil, at: String) {
            self.code = code
            self.message = message
            self.httpStatus = httpStatus
            self.at = at
        }
    }

    /// Records that no rule understood.
    package struct Unrecognised: Sendable, Hashable {
        package var count: Int
        /// The names of members, and a word for the state that is unknown; no other values.
        package var lastShape: String
        /// RFC 3339.
        package var lastAt: String

        package init(count: Int, lastShape: String, lastAt: String) {
            self.count = count
            self.lastShape = lastShape
            self.lastAt = lastAt
        }
    }

    package init(
        name: String, provider: String, kind: String = "text", answers: String = "asynchronously",
        batchSize: Int? = nil, listing: String = "none", example: JSONValue = .null, state: String = "open",
        until: String? = nil, reason: String? = nil,
        inFlight: Int = 0, queued: Int = 0, uncertain: Int = 0, maxInFlight: Int? = nil,
        submitsPerSecond: Double? = nil, typicalSeconds: Double? = nil, learned: Durations? = nil, finished: Int = 0,
        callsPerTask: Double? = nil, meanLatenessSeconds: Double? = nil, throttled: Int = 0, polls: Int = 0,
        pollsPerMinute: Double = 0, lastError: LastError? = nil, callbacks: Callbacks? = nil,
        unrecognised: Unrecognised? = nil
    ) {
        self.name = name
        self.provider = provider
        self.kind = kind
        self.answers = answers
        self.batchSize = batchSize
        self.listing = listing
        self.example = example
        self.state = state
        self.until = until
        self.reason = reason
        self.inFlight = inFlight
        self.queued = queued
        self.uncertain = uncertain
        self.maxInFlight = maxInFlight
        self.submitsPerSecond = submitsPerSecond
        self.typicalSeconds = typicalSeconds
        self.learned = learned
        self.finished = finished
        self.callsPerTask = callsPerTask
        self.meanLatenessSeconds = meanLatenessSeconds
        self.throttled = throttled
        self.polls = polls
        self.pollsPerMinute = pollsPerMinute
        self.lastError = lastError
        self.callbacks = callbacks
        self.unrecognised = unrecognised
    }
}
