import ProviderCatalog
import TaskModel
import TaskStore

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
        let known: EndpointStatistics
        do throws(TaskStoreError) { known = try await context.statistics.latest(of: name) } catch {
            throw .store(error)
        }
        let errors = [CircuitKey.submissions(name), .polls(name.service)].compactMap { circuit in
            let state = context.admission.breakers.state(of: circuit)
            return state.lastError.flatMap { error in
                state.lastErrorAt.map { EndpointReport.LastError(failure: error, at: $0) }
            }
        }
        return EndpointReport(
            name: name, provider: profile.provider, kind: profile.kind.rawValue,
            answersOnlyInline: profile.dialect.answersOnlyInline, batchSize: profile.batchSize,
            listing: profile.listingTrust.rawValue, example: context.catalog.examples.example(of: name),
            block: circuitBlock(on: profile, at: now), typical: profile.typicalDuration,
            inFlight: (counts[.running] ?? 0) + (counts[.submitting] ?? 0), queued: counts[.queued] ?? 0,
            uncertain: counts[.uncertain] ?? 0, maxInFlight: context.admission.maxInFlight(of: profile),
            submissionsPerSecond: context.admission.submissionsPerSecond(of: profile),
            learned: known.learnedReport, tracking: known.trackingReport,
            polled: context.meter.reading(of: name.service), lastError: errors.max { $0.at < $1.at },
            callbacks: known.callbackReport,
            unrecognised: context.unrecognised.reading(of: name))
    }

    /// Throws where the store cannot be read or written; costs next to nothing.
    package func checkReadiness() async throws(TaskServiceError) {
        if case .failed(let error) = await context.store.condition() { throw .store(error) }
        do throws(TaskStoreError) { _ = try await context.store.info() } catch { throw .store(error) }
    }

    /// Counts by state, the database, and providers that are stopped.
    package func report() async throws(TaskServiceError) -> EngineReport {
        var counts = Dictionary(uniqueKeysWithValues: TaskState.allCases.map { ($0, 0) })
        for count in try await self.counts() { counts[count.state, default: 0] += count.count }
        let providers = Set(context.catalog.endpoints.map(\.provider)).sorted().map { name in
            ProviderReport(
                name: name, hasToken: context.admission.hasToken(name),
                pauseReason: context.admission.breakers.state(of: .provider(name)).pause.map {
                    "\($0.code): \($0.message)"
                })
        }
        do throws(TaskStoreError) {
            return EngineReport(
                counts: counts, store: try await context.store.info(), providers: providers,
                callbacks: context.callbacks?.reading)
        } catch {
            throw .store(error)
        }
    }

    /// The first pause or circuit breaker that blocks the endpoint's submissions or status queries.
    private func circuitBlock(on profile: EndpointProfile, at now: Timestamp) -> SubmissionBlock? {
        let circuits: [CircuitKey] = [
            .provider(profile.provider), .submissions(profile.name), .polls(profile.name.service),
        ]
        return circuits.lazy.compactMap { context.admission.breakers.block($0, at: now) }.first
    }

    private func counts() async throws(TaskServiceError) -> [TaskCount] {
        do throws(TaskStoreError) { return try await context.store.counts() } catch { throw .store(error) }
    }

    /// The endpoint that a person or a program names.
    func profile(of name: String) throws(TaskServiceError) -> EndpointProfile {
        let endpoint = EndpointName(name)
        if let profile = endpoint.flatMap({ context.catalog.endpoint($0) }) { return profile }
        if let endpoint, context.catalog.examples.synchronous.contains(endpoint) {
            throw .synchronousEndpoint(endpoint)
        }
        throw .unknownEndpoint(name, nearest: context.catalog.nearest(to: name, limit: 3))
    }
}
