import Logging
import ProviderCatalog
package import TaskModel
import TaskStore

/// Reports the status of endpoints and of the daemon, and pauses endpoints.
package struct EndpointService: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let statistics: StatisticsCache
    let meter: PollRateCounter
    let unrecognised: UnrecognisedResponses
    /// Nil if callbacks are off.
    let callbacks: CallbackMonitor?
    let schedule: ScheduleCorrector
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// The status of all endpoints, by name.
    package func endpoints() async throws(TaskServiceError) -> [EndpointReport] {
        let counts = try await countsByEndpoint()
        var reports: [EndpointReport] = []
        for profile in catalog.endpoints {
            reports.append(try await report(on: profile, counts: counts[profile.name] ?? [:]))
        }
        return reports
    }

    /// The status of the endpoint with that name.
    package func endpoint(_ name: String) async throws(TaskServiceError) -> EndpointReport {
        let profile = try catalog.profile(named: name)
        return try await report(
            on: profile, counts: try await countsByEndpoint()[profile.name] ?? [:], withCurve: true)
    }

    private func countsByEndpoint() async throws(TaskServiceError) -> [EndpointName: [TaskState: Int]] {
        var counts: [EndpointName: [TaskState: Int]] = [:]
        for count in try await self.counts() {
            counts[count.endpoint, default: [:]][count.state, default: 0] += count.count
        }
        return counts
    }

    private func report(
        on profile: EndpointProfile, counts: [TaskState: Int], withCurve: Bool = false
    ) async throws(TaskServiceError) -> EndpointReport {
        let now = time.now()
        let name = profile.name
        let known: EndpointStatistics
        do throws(TaskStoreError) { known = try await statistics.latest(of: name) } catch {
            throw .store(error)
        }
        let circuits = admission.endpoints(profile).flatMap { [$0.submissions, $0.polls] } + [.endpoint(name)]
        let errors = circuits.compactMap { circuit in
            let state = admission.breakers.state(of: circuit)
            return state.lastError.flatMap { error in
                state.lastErrorAt.map { EndpointReport.LastError(failure: error, at: $0) }
            }
        }
        return EndpointReport(
            name: name, provider: profile.provider, kind: profile.kind.rawValue,
            answersOnlyInline: profile.dialect.answersOnlyInline, batchSize: profile.batchSize,
            listing: profile.listingTrust.rawValue, example: catalog.examples.example(of: name),
            price: profile.price, priceFile: profile.priceFile,
            block: circuitBlock(on: profile, at: now), typical: profile.typicalDuration,
            inFlight: (counts[.running] ?? 0) + (counts[.submitting] ?? 0), queued: counts[.queued] ?? 0,
            uncertain: counts[.uncertain] ?? 0, maxInFlight: admission.maxInFlight(of: profile),
            submissionsPerSecond: admission.submissionsPerSecond(of: profile),
            learned: known.learnedReport(withCurve: withCurve), tracking: known.trackingReport,
            polled: meter.report(of: name.service), lastError: errors.max { $0.at < $1.at },
            callbacks: known.callbackReport,
            unrecognised: unrecognised.report(of: name))
    }

    /// Throws if the store cannot be read or written. It is cheap.
    package func checkReadiness() async throws(TaskServiceError) {
        if case .failed(let error) = await store.condition() { throw .store(error) }
        do throws(TaskStoreError) { _ = try await store.info() } catch { throw .store(error) }
    }

    /// The number of open tasks of each endpoint that has no definition, by name.
    package func openTasksWithoutEndpoint() async throws(TaskServiceError) -> [(endpoint: EndpointName, count: Int)] {
        let catalog = catalog
        var gone: [EndpointName: Int] = [:]
        for count in try await counts() where !count.state.hasEnded && catalog.endpoint(count.endpoint) == nil {
            gone[count.endpoint, default: 0] += count.count
        }
        return gone.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The number of open tasks that wait for each account which the settings no longer contain.
    package func openTasksWithoutAccount() async throws(TaskServiceError) -> [(owner: ProviderAccount, count: Int)] {
        admission.accounts.gone(in: try await counts(), catalog)
    }

    /// Writes a copy of the database into the directory. Other work continues meanwhile.
    package func backUp(into directory: String) async throws(TaskServiceError) -> Backup {
        do throws(BackupError) { return try await store.backUp(into: directory, at: time.now()) } catch {
            if case .store(let error) = error { throw .store(error) }
            throw .backup(error)
        }
    }

    /// The counts by state, the database, and the providers.
    package func report() async throws(TaskServiceError) -> EngineReport {
        let catalog = catalog
        var counts = Dictionary(uniqueKeysWithValues: TaskState.allCases.map { ($0, 0) })
        var inFlight: [ProviderAccount: Int] = [:]
        for count in try await self.counts() {
            counts[count.state, default: 0] += count.count
            guard count.state == .running || count.state == .submitting, let profile = catalog.endpoint(count.endpoint)
            else { continue }
            inFlight[ProviderAccount(provider: profile.provider, account: count.account), default: 0] += count.count
        }
        let providers = Set(catalog.endpoints.map(\.provider)).sorted().map { name in
            ProviderReport(
                name: name, baseURL: catalog.provider(name)?.baseURL ?? "",
                accounts: admission.accounts.of(name).map { account in
                    let owner = ProviderAccount(provider: name, account: account.name)
                    return ProviderReport.AccountReport(
                        name: account.name, hasToken: account.hasToken, inFlight: inFlight[owner] ?? 0,
                        maxInFlight: account.maxInFlight,
                        pauseReason: admission.breakers.state(of: .account(owner)).pause.map {
                            "\($0.code): \($0.message)"
                        })
                })
        }
        do throws(TaskStoreError) {
            return EngineReport(
                counts: counts, store: try await store.info(), restored: admission.hold.mode,
                held: admission.hold.requestedHold,
                providers: providers,
                callbacks: callbacks?.report)
        } catch {
            throw .store(error)
        }
    }

    /// The first pause or circuit breaker that blocks the endpoint's submissions or status queries.
    private func circuitBlock(on profile: EndpointProfile, at now: Timestamp) -> SubmissionBlock? {
        let breakers = admission.breakers
        return admission.shared(profile) { breakers.block(.account($0.owner), at: now) }
            ?? breakers.block(.endpoint(profile.name), at: now)
            ?? admission.shared(profile) { breakers.block($0.submissions, at: now) }
            ?? admission.shared(profile) { breakers.block($0.polls, at: now) }
    }

    private func counts() async throws(TaskServiceError) -> [TaskCount] {
        do throws(TaskStoreError) { return try await store.counts() } catch { throw .store(error) }
    }

    // MARK: Pauses

    /// Pauses the submissions of an endpoint. Running tasks are still tracked.
    package func pause(_ name: String) async throws(TaskServiceError) {
        let profile = try catalog.profile(named: name)
        do throws(TaskStoreError) {
            try await admission.breakers.pause(.endpoint(profile.name), .byHand, at: time.now())
        } catch {
            throw .store(error)
        }
        logger.notice("Submissions to \(profile.name) are paused.")
    }

    /// Ends `--hold` and every pause.
    package func resumeAll() async throws(TaskServiceError) {
        admission.hold.release()
        let isOpen = isAnyCircuitOpen
        do throws(TaskStoreError) {
            try await admission.breakers.resumeAll()
            if isOpen { try await schedule.followResume() }
        } catch {
            throw .store(error)
        }
        logger.notice("All submissions continue.")
        wakes.submitter.signal()
    }

    /// Resumes the submissions of an endpoint, and every paused account of its provider or only one account.
    package func resume(_ name: String, account: String? = nil) async throws(TaskServiceError) {
        let profile = try catalog.profile(named: name)
        let only = try account.map { name throws(TaskServiceError) in
            try admission.accounts.account(named: name, of: profile.provider)
        }
        let isOpen = isAnyCircuitOpen
        do throws(TaskStoreError) {
            if only == nil { try await admission.breakers.resume(.endpoint(profile.name)) }
            for endpoint in admission.endpoints(profile) where only.map({ $0 == endpoint.account }) ?? true {
                try await admission.breakers.resume(endpoint.submissions)
                try await admission.breakers.resume(.account(endpoint.owner))
            }
            if isOpen { try await schedule.followResume() }
        } catch {
            throw .store(error)
        }
        logger.notice("Submissions to \(profile.name)\(only.map { " by account \($0)" } ?? "") continue.")
        wakes.submitter.signal()
    }

    /// Whether tasks may wait for a circuit to close.
    private var isAnyCircuitOpen: Bool { admission.breakers.lastOpening(after: time.now()) != nil }
}

extension ProviderCatalog {
    /// The endpoint with that name.
    func profile(named name: String) throws(TaskServiceError) -> EndpointProfile {
        let endpoint = EndpointName(name)
        if let profile = endpoint.flatMap({ self.endpoint($0) }) { return profile }
        if let endpoint, examples.synchronous.contains(endpoint) {
            throw .synchronousEndpoint(endpoint)
        }
        throw .unknownEndpoint(name, nearest: nearest(to: name, limit: 3))
    }
}
