import Logging
import PollingPolicy
import ProviderCatalog
package import TaskModel
import TaskStore
package import VerbatimJSON

/// How an endpoint is doing.
package struct EndpointReport: Sendable {
    /// Whether requests may pass.
    package enum Status: Sendable, Hashable {
        case open
        /// Left alone for a while, after failures.
        case backingOff(until: Timestamp, reason: String)
        /// Nothing is submitted until a person resumes it.
        case paused(reason: String)
    }

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
    package let status: Status
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
    package let polled: PollMeter.Reading
    package let lastError: LastError?
    /// How its callbacks do; nil where none were asked for yet.
    package let callbacks: CallbackReport?
    /// Records that no rule understood since the start; nil if there were none.
    package let unrecognised: UnrecognisedBook.Reading?

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
    package let store: StoreFacts
    package let providers: [ProviderReport]
    /// Where providers call back, and whether they do; nil where callbacks are off.
    package let callbacks: CallbackWatch.Reading?
}

/// How a provider's account is doing.
package struct ProviderReport: Sendable, Hashable {
    package let name: String
    package let hasToken: Bool
    /// Why nothing is submitted, if so.
    package let pauseReason: String?
}

extension TaskService {
    /// How every endpoint is doing, by name.
    package func endpoints() async throws(TaskServiceError) -> [EndpointReport] {
        let counts = try await countsByEndpoint()
        var reports: [EndpointReport] = []
        for profile in context.catalog.endpoints {
            reports.append(try await report(on: profile, counts: counts[profile.name] ?? [:]))
        }
        return reports
    }

    /// How the endpoint of that name is doing.
    package func endpoint(_ name: String) async throws(TaskServiceError) -> EndpointReport {
        let profile = try profile(of: name)
        return try await report(on: profile, counts: try await countsByEndpoint()[profile.name] ?? [:])
    }

    private func countsByEndpoint() async throws(TaskServiceError) -> [EndpointName: [TaskState: Int]] {
        var counts: [EndpointName: [TaskState: Int]] = [:]
        for count in try await self.counts() { counts[count.endpoint, default: [:]][count.state] = count.count }
        return counts
    }

    private func report(
        on profile: EndpointProfile, counts: [TaskState: Int]
    ) async throws(TaskServiceError) -> EndpointReport {
        let now = context.time.now()
        let name = profile.name
        let known: Experience
        do throws(TaskStoreError) { known = try await context.experiences.latest(of: name) } catch {
            throw .store(error)
        }
        let gates = [
            context.gates.gate(.submissions, name.text), context.gates.gate(.polls, name.service),
        ]
        let errors = gates.compactMap { gate in
            gate.lastError.flatMap { error in
                gate.lastErrorAt.map { EndpointReport.LastError(failure: error, at: $0) }
            }
        }
        return EndpointReport(
            name: name, provider: profile.provider, kind: profile.kind.rawValue,
            answersOnlyInline: profile.answersOnlyInline, batchSize: profile.batchSize,
            listing: profile.listing.rawValue, example: context.catalog.guide.example(of: name),
            status: status(of: profile, at: now), typical: profile.typicalDuration,
            inFlight: (counts[.running] ?? 0) + (counts[.submitting] ?? 0), queued: counts[.queued] ?? 0,
            uncertain: counts[.uncertain] ?? 0, maxInFlight: context.maxInFlight(of: profile),
            submissionsPerSecond: context.limits.submissionsPerSecond ?? profile.limits.submitsPerSecond,
            learned: known.learnedReport, tracking: known.trackingReport,
            polled: context.meter.reading(of: name.service), lastError: errors.max { $0.at < $1.at },
            callbacks: known.callbackReport,
            unrecognised: context.unrecognised.reading(of: name))
    }

    /// Stops submissions of an endpoint; what runs is tracked on.
    package func pause(_ name: String) async throws(TaskServiceError) {
        let profile = try profile(of: name)
        do throws(TaskStoreError) {
            try await context.gates.pause(
                .submissions, profile.name.text,
                StoredGate.Pause(code: "paused", message: "paused by hand"), at: context.time.now())
        } catch {
            throw .store(error)
        }
        context.logger.notice("Submissions to \(profile.name) are paused.")
    }

    /// Lets submissions of an endpoint go on, and lifts the pause of its provider, if that was stopped.
    package func resume(_ name: String) async throws(TaskServiceError) {
        let profile = try profile(of: name)
        do throws(TaskStoreError) {
            try await context.gates.resume(.submissions, profile.name.text)
            try await context.gates.resume(.provider, profile.provider)
        } catch {
            throw .store(error)
        }
        context.logger.notice("Submissions to \(profile.name) go on.")
        context.wakes.submitter.nudge()
    }

    /// Throws where the store cannot be read or written; costs next to nothing.
    package func checkReadiness() async throws(TaskServiceError) {
        if case .failed(let error) = await context.store.condition() { throw .store(error) }
        do throws(TaskStoreError) { _ = try await context.store.facts() } catch { throw .store(error) }
    }

    /// Counts by state, the database, and providers that are stopped.
    package func report() async throws(TaskServiceError) -> EngineReport {
        var counts = Dictionary(uniqueKeysWithValues: TaskState.allCases.map { ($0, 0) })
        for count in try await self.counts() { counts[count.state, default: 0] += count.count }
        let providers = Set(context.catalog.endpoints.map(\.provider)).sorted().map { name in
            ProviderReport(
                name: name, hasToken: context.hasToken(name),
                pauseReason: context.gates.gate(.provider, name).pause.map { "\($0.code): \($0.message)" })
        }
        do throws(TaskStoreError) {
            return EngineReport(
                counts: counts, store: try await context.store.facts(), providers: providers,
                callbacks: context.callbacks?.reading)
        } catch {
            throw .store(error)
        }
    }

    /// The first thing that holds requests of the endpoint back.
    private func status(of profile: EndpointProfile, at now: Timestamp) -> EndpointReport.Status {
        let passages = [
            context.gates.passage(.provider, profile.provider, at: now),
            context.gates.passage(.submissions, profile.name.text, at: now),
            context.gates.passage(.polls, profile.name.service, at: now),
        ]
        for passage in passages {
            switch passage {
            case .open: continue
            case .paused(let pause): return .paused(reason: "\(pause.code): \(pause.message)")
            case .closed(let until, let error):
                return .backingOff(until: until, reason: error.map { "\($0.code): \($0.message)" } ?? "after an error")
            }
        }
        return .open
    }

    private func counts() async throws(TaskServiceError) -> [TaskCount] {
        do throws(TaskStoreError) { return try await context.store.counts() } catch { throw .store(error) }
    }

    /// The endpoint that a person or a program names.
    func profile(of name: String) throws(TaskServiceError) -> EndpointProfile {
        let endpoint = EndpointName(name)
        if let profile = endpoint.flatMap({ context.catalog.endpoint($0) }) { return profile }
        if let endpoint, context.catalog.guide.synchronous.contains(endpoint) { throw .synchronousEndpoint(endpoint) }
        throw .unknownEndpoint(name, nearest: context.catalog.nearest(to: name, limit: 3))
    }
}

extension Experience {
    fileprivate var learnedReport: EndpointReport.LearnedReport? {
        guard all.model.sampleCount > 0 else { return nil }
        return EndpointReport.LearnedReport(
            p50: all.model.quantile(0.5), p90: all.model.quantile(0.9), samples: all.model.sampleCount)
    }

    fileprivate var callbackReport: EndpointReport.CallbackReport? {
        let known = all.learned.callbacks
        guard known.expected > 0 else { return nil }
        return EndpointReport.CallbackReport(
            expected: known.expected, came: known.came, trust: known.trust,
            meanDelay: known.delaySamples > 0 ? known.delay / known.delaySamples : nil)
    }

    fileprivate var trackingReport: EndpointReport.TrackingReport {
        let row = all.learned
        return EndpointReport.TrackingReport(
            finished: row.finished, callsPerTask: row.finished > 0 ? row.calls / Double(row.finished) : nil,
            meanLateness: row.latenessSamples > 0 ? row.lateness / row.latenessSamples : nil, throttled: row.throttled)
    }
}
