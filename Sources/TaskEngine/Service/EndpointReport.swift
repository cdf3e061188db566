import PollingPolicy
package import TaskModel
import TaskStore
package import VerbatimJSON

/// The status of an endpoint.
package struct EndpointReport: Sendable {
    package let name: EndpointName
    package let provider: ProviderName
    /// The kind of its results: `image`, `video`, `audio` or `text`.
    package let kind: String
    /// Whether the reply to a submission is the result itself, never just an id.
    package let answersOnlyInline: Bool
    /// How many tasks one status query may name; nil if each needs its own.
    package let batchSize: Int?
    /// The source of what is known about the provider's list: `documented`, `vendor_code` or `none`.
    package let listing: String
    /// An example of a request.
    package let example: JSONObject?
    /// What a task costs, and the file that says so if it is not the definition; nil if that is not known.
    package let price: Price?
    package let priceFile: String?
    /// The pause or circuit breaker that blocks its submissions or status queries; nil if none does.
    package let block: SubmissionBlock?
    /// The typical duration according to the provider.
    package let typical: Duration?
    package let inFlight: Int
    package let queued: Int
    package let uncertain: Int
    package let maxInFlight: Int?
    package let submissionsPerSecond: Double?
    package let learned: LearnedReport?
    /// The cost and delay of noticing that its tasks ended, since its first task.
    package let tracking: TrackingReport
    /// The status queries of its service, since the start and in the last minute.
    package let polled: PollRateCounter.Report
    package let lastError: LastError?
    /// The statistics of its callbacks; nil if none were requested yet.
    package let callbacks: CallbackReport?
    /// Records that no rule understood since the start; nil if there were none.
    package let unrecognised: UnrecognisedResponses.Report?

    /// The measured durations of its tasks.
    package struct LearnedReport: Sendable, Hashable {
        /// Half of them are faster.
        package let p50: Duration
        /// Nine of ten are faster.
        package let p90: Duration
        /// The number of measured tasks.
        package let samples: Int
        /// The age by which each share of them has ended; nil if it was not asked for.
        package let curve: [CurvePoint]?
    }

    /// A point of the curve of durations.
    package struct CurvePoint: Sendable, Hashable {
        /// From 0 to 1.
        package let share: Double
        package let age: Duration
    }

    /// The cost and delay of noticing that tasks ended.
    package struct TrackingReport: Sendable, Hashable {
        /// Tasks that ended at the provider.
        package let finished: Int
        /// Status queries for each finished task. A batch query is divided among its tasks. Nil before the first end.
        package let callsPerTask: Double?
        /// The average delay from the end of a task to its detection; nil if unknown.
        package let meanLateness: Duration?
        /// The number of throttled replies.
        package let throttled: Int
    }

    /// Statistics of requested callbacks.
    package struct CallbackReport: Sendable, Hashable {
        /// Ended tasks with a requested callback.
        package let expected: Int
        /// Those of them whose end was delivered.
        package let came: Int
        /// The trust in callbacks, from 0 to 1. More trust means fewer status queries.
        package let trust: Double
        /// The average time from the end to its delivery; nil if unknown.
        package let meanDelay: Duration?

        /// Those of them without a callback.
        package var missing: Int { max(expected - came, 0) }
    }

    /// The latest error.
    package struct LastError: Sendable, Hashable {
        package let failure: TaskFailure
        package let at: Timestamp
    }
}

/// The status of the daemon.
package struct EngineReport: Sendable {
    package let counts: [TaskState: Int]
    package let store: StoreInfo
    /// The restore mode; nil if the database is not an older copy.
    package let restored: RestoredMode?
    /// Why nothing paid is sent since a start with `--hold`; nil if requests are sent.
    package let held: Reason?
    package let providers: [ProviderReport]
    /// The counts of callbacks; nil if callbacks are off.
    package let callbacks: CallbackMonitor.Report?
}

/// The status of a provider.
package struct ProviderReport: Sendable, Hashable {
    package let name: ProviderName
    package let baseURL: String
    /// In the order of the settings.
    package let accounts: [AccountReport]

    /// The status of one of its accounts.
    package struct AccountReport: Sendable, Hashable {
        package let name: AccountName
        package let hasToken: Bool
        package let inFlight: Int
        package let maxInFlight: Int?
        /// Why submissions are paused; nil if they are not.
        package let pauseReason: String?
    }

    package var hasToken: Bool { accounts.contains(where: \.hasToken) }
    /// Why no account may submit; nil if one may.
    package var pauseReason: String? {
        accounts.allSatisfy { $0.pauseReason != nil } ? accounts.first?.pauseReason : nil
    }
}

extension EndpointStatistics {
    func learnedReport(withCurve: Bool) -> EndpointReport.LearnedReport? {
        guard all.model.sampleCount > 0 else { return nil }
        func curve() -> [EndpointReport.CurvePoint] {
            let shares = [0.01] + (1...19).map { Double($0) / 20 } + [0.99]
            return shares.map { EndpointReport.CurvePoint(share: $0, age: all.model.quantile($0)) }
        }
        return EndpointReport.LearnedReport(
            p50: all.model.quantile(0.5), p90: all.model.quantile(0.9), samples: all.model.sampleCount,
            curve: withCurve ? curve() : nil)
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
