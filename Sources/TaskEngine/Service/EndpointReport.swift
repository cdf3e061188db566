import PollingPolicy
package import TaskModel
import TaskStore
package import VerbatimJSON

/// How an endpoint is doing.
package struct EndpointReport: Sendable {
    package let name: EndpointName
    package let provider: String
    /// What it makes: `image`, `video`, `audio` or `text`.
    package let kind: String
    /// Whether the reply to a submission is the result itself, never just an id.
    package let answersOnlyInline: Bool
    /// How many tasks one status query may name; nil where each needs its own.
    package let batchSize: Int?
    /// Whence the provider's own list of tasks is known: `documented`, `vendor_code` or `none`.
    package let listing: String
    /// A request that it takes.
    package let example: JSONObject?
    /// The pause or circuit breaker that blocks its submissions or status queries; nil if none does.
    package let block: SubmissionBlock?
    /// What the provider's documents say before anything was learned.
    package let typical: Duration?
    package let inFlight: Int
    package let queued: Int
    package let uncertain: Int
    package let maxInFlight: Int?
    package let submissionsPerSecond: Double?
    package let learned: LearnedReport?
    /// What noticing the ends of its tasks has cost, since its first task.
    package let tracking: TrackingReport
    /// Status queries of its service since the start, and per minute lately.
    package let polled: PollRateCounter.Report
    package let lastError: LastError?
    /// How its callbacks do; nil where none were asked for yet.
    package let callbacks: CallbackReport?
    /// Records that no rule understood since the start; nil if there were none.
    package let unrecognised: UnrecognisedResponses.Report?

    /// How long its tasks take, by their own history.
    package struct LearnedReport: Sendable, Hashable {
        /// Half of them are faster.
        package let p50: Duration
        /// Nine of ten are faster.
        package let p90: Duration
        /// How many tasks that rests on.
        package let samples: Int
    }

    /// What it took to notice ends, and how late that was.
    package struct TrackingReport: Sendable, Hashable {
        /// Tasks that ended at the provider.
        package let finished: Int
        /// Status queries for each of these; one for several tasks is shared by them. Nil before the first end.
        package let callsPerTask: Double?
        /// How long ends went unnoticed on average; nil where it is not known of any.
        package let meanLateness: Duration?
        /// How often the provider has said "too many".
        package let throttled: Int
    }

    /// Whether the callbacks come that were asked for.
    package struct CallbackReport: Sendable, Hashable {
        /// Tasks that ended and whose end was to be delivered.
        package let expected: Int
        /// Of these, whose end was delivered, sooner or later.
        package let came: Int
        /// 0 to 1: what status queries thin out by.
        package let trust: Double
        /// From the end to its delivery; nil where that is not known of any.
        package let meanDelay: Duration?

        /// Ended by a poll, and no callback ever came.
        package var missing: Int { max(expected - came, 0) }
    }

    /// The latest thing that went wrong.
    package struct LastError: Sendable, Hashable {
        package let failure: TaskFailure
        package let at: Timestamp
    }
}

/// How the daemon as a whole is doing.
package struct EngineReport: Sendable {
    package let counts: [TaskState: Int]
    package let store: StoreInfo
    package let providers: [ProviderReport]
    /// Where providers call back, and whether they do; nil where callbacks are off.
    package let callbacks: CallbackMonitor.Report?
}

/// How a provider's account is doing.
package struct ProviderReport: Sendable, Hashable {
    package let name: String
    package let hasToken: Bool
    /// Why nothing is submitted, if so.
    package let pauseReason: String?
}

extension EndpointStatistics {
    var learnedReport: EndpointReport.LearnedReport? {
        guard all.model.sampleCount > 0 else { return nil }
        return EndpointReport.LearnedReport(
            p50: all.model.quantile(0.5), p90: all.model.quantile(0.9), samples: all.model.sampleCount)
    }

    var callbackReport: EndpointReport.CallbackReport? {
        let known = all.row.callbacks
        guard known.expected > 0 else { return nil }
        return EndpointReport.CallbackReport(
            expected: known.expected, came: known.came, trust: known.trust,
            meanDelay: known.delaySamples > 0 ? known.delay / known.delaySamples : nil)
    }

    var trackingReport: EndpointReport.TrackingReport {
        let row = all.row
        return EndpointReport.TrackingReport(
            finished: row.finished, callsPerTask: row.finished > 0 ? row.calls / Double(row.finished) : nil,
            meanLateness: row.latenessSamples > 0 ? row.lateness / row.latenessSamples : nil, throttled: row.throttled)
    }
}
