import ProviderCatalog
import TaskModel
import TaskStore

/// MetricsService collects what a scrape shows.
///
/// It reads the counts that the store keeps and at most a hundred rows, so a scrape of a million tasks is as cheap as one
/// of ten, and no write waits for it.
package struct MetricsService: Sendable {
    let metrics: EngineMetrics
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let breakers: CircuitBreakers
    let unrecognised: UnrecognisedResponses
    let notifications: NotificationService
    /// Nil if there is no place for files of results.
    let artefacts: ArtefactService?
    let time: any TimeSource

    /// All metrics but the daemon's own. Those of a store that cannot be read are missing, and `pollux_storage_failed` is 1.
    package func families() async -> [MetricFamily] {
        let now = time.now()
        var families = metrics.families + [openBreakers(at: now)]
        families.append(
            MetricFamily(
                "pollux_unrecognised_records_total", .counter,
                "Records of providers since the start that no rule understands.", Double(unrecognised.total)))
        var isReadable = true
        do throws(TaskServiceError) {
            families += try await stored(at: now)
            families += try await destinations()
        } catch {
            isReadable = false
        }
        // An unreadable directory of files is no failure of the storage.
        if let used = try? await artefacts?.report().used {
            families.append(
                MetricFamily("pollux_artefact_bytes", .gauge, "The bytes of all files of results.", Double(used)))
        }
        let isWritable = if case .failed = await store.condition() { false } else { true }
        families.append(
            MetricFamily(
                "pollux_storage_failed", .gauge, "1 while nothing can be stored.", isReadable && isWritable ? 0 : 1))
        return families
    }

    private func openBreakers(at now: Timestamp) -> MetricFamily {
        var family = MetricFamily(
            "pollux_breaker_open", .gauge,
            "Circuit breakers that are open, and pauses after an error. Pauses by a person do not count.")
        let open = breakers.blocked(at: now).map(\.kind)
        for kind in CircuitKey.kinds { family.add(Double(open.count { $0 == kind }), ("kind", kind)) }
        return family
    }

    /// What the database knows.
    private func stored(at now: Timestamp) async throws(TaskServiceError) -> [MetricFamily] {
        let counts: [TaskCount]
        let info: StoreInfo
        let oldest: [TrackedTask]
        do throws(TaskStoreError) {
            counts = try await store.counts()
            info = try await store.info()
            oldest = try await store.tasks(in: .uncertain, limit: Self.mostRead)
        } catch {
            throw .store(error)
        }
        let since = oldest.map { $0.attempt?.startedAt ?? $0.createdAt }.min()
        var free: [MetricFamily] = []
        if let bytes = info.freeBytes {
            free = [
                MetricFamily("pollux_disk_free_bytes", .gauge, "Free bytes of the database's disk.", Double(bytes))
            ]
        }
        return [
            tasks(counts),
            MetricFamily(
                "pollux_uncertain_tasks", .gauge, "Tasks that the provider may or may not have accepted.",
                Double(counts.filter { $0.state == .uncertain }.reduce(0) { $0 + $1.count })),
            MetricFamily(
                "pollux_oldest_uncertain_seconds", .gauge,
                "The time since the oldest uncertain task was sent; 0 without one.",
                since.map { max((now - $0).inSeconds, 0) } ?? 0),
            MetricFamily(
                "pollux_database_bytes", .gauge, "The size of the database with its write-ahead log.",
                Double(info.sizeInBytes)),
            MetricFamily(
                "pollux_wal_bytes", .gauge, "The size of the write-ahead log.", Double(info.logBytes)),
        ] + free
    }

    /// The number of tasks by state and provider.
    private func tasks(_ counts: [TaskCount]) -> MetricFamily {
        let catalog = catalog
        var sums: [ProviderName: [TaskState: Int]] = [:]
        var withoutDefinition: [TaskState: Int] = [:]
        for count in counts where count.count > 0 {
            if let profile = catalog.endpoint(count.endpoint) {
                sums[profile.provider, default: [:]][count.state, default: 0] += count.count
            } else {
                withoutDefinition[count.state, default: 0] += count.count
            }
        }
        var family = MetricFamily(
            "pollux_tasks", .gauge, "Tasks by state and provider; \"none\" has no definition any more.")
        for provider in catalog.providers.map(\.name).sorted() {
            for state in TaskState.allCases {
                family.add(
                    Double(sums[provider]?[state] ?? 0), ("state", state.rawValue), ("provider", provider.text))
            }
        }
        for state in TaskState.allCases {
            guard let count = withoutDefinition[state] else { continue }
            family.add(Double(count), ("state", state.rawValue), ("provider", "none"))
        }
        return family
    }

    private func destinations() async throws(TaskServiceError) -> [MetricFamily] {
        var pending = MetricFamily(
            "pollux_notifications_pending", .gauge,
            "Events that wait for a destination after a failure, and lines of the log that it has not reached.")
        var dead = MetricFamily(
            "pollux_notifications_dead", .gauge, "Events that are not tried again until a person has them sent.")
        var closed = MetricFamily(
            "pollux_destination_closed", .gauge, "1 while a destination gets nothing, after failures or by its wish.")
        for report in try await notifications.report() {
            let label = ("destination", report.destination.name.text)
            pending.add(Double(report.waiting) + Double(report.behind), label)
            dead.add(Double(report.dead), label)
            closed.add(report.condition == .open ? 0 : 1, label)
        }
        return [pending, dead, closed]
    }

    /// Uncertain tasks are read in the order of their creation, and the oldest is nearly always among these.
    private static let mostRead = 100
}

extension CircuitKey {
    static let kinds = ["account", "endpoint", "polls", "submissions"]

    fileprivate var kind: String {
        switch self {
        case .account: "account"
        case .endpoint: "endpoint"
        case .polls: "polls"
        case .submissions: "submissions"
        }
    }
}
