import Logging
import ProviderCatalog
package import TaskModel
import TaskStore
import VerbatimJSON

/// Compares the providers' lists with the tasks: what is there and not here, and what is here and not there.
///
/// It sends status queries only. It changes nothing but what a person asks for: to track the records that no task has.
package struct ReconcileService: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    @Current var limits: EngineLimits
    /// Grows with every reload.
    @Current var version: Int
    let admission: AdmissionControl
    let lists: ProviderLists
    let service: TaskService
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// How far back a comparison reaches by default.
    package static let defaultSpan: Duration = .seconds(86_400)
    /// The number of pages that are read of one list.
    static let pages = 200
    private static let pageSize = 500

    /// Compares the lists of all providers that have credentials or tasks, or those of one provider.
    ///
    /// `adopts` tracks the records that no task has.
    package func run(
        since stated: Timestamp? = nil, provider name: String? = nil, adopts: Bool = false, isScheduled: Bool = false
    ) async throws(TaskServiceError) -> ReconcileReport {
        let began = time.now()
        if let name { try check(provider: name) }
        let since = stated ?? began - Self.defaultSpan
        guard since <= began else { throw .invalidField("since", problem: "must be in the past") }
        var report = ReconcileReport(since: since, began: began, isScheduled: isScheduled)
        do throws(TaskStoreError) { try await compare(name, into: &report) } catch { throw .store(error) }
        if adopts { await adopt(in: &report) }
        do throws(TaskStoreError) { try await store.log(.reconciled(report, at: time.now())) } catch {
            throw .store(error)
        }
        logger.note(report)
        wakes.notifications.signal()
        return report
    }

    private func compare(_ name: String?, into report: inout ReconcileReport) async throws(TaskStoreError) {
        for provider in try await providers(named: name) { try await compare(provider, into: &report) }
    }

    /// The providers to compare: those with credentials or tasks, or the one with that name.
    private func providers(named name: String?) async throws(TaskStoreError) -> [ProviderName] {
        let all = Set(catalog.endpoints.map(\.provider)).sorted()
        if let name { return all.filter { $0.text == name } }
        let used = Set(try await store.counts().compactMap { catalog.endpoint($0.endpoint)?.provider })
        return all.filter { provider in
            used.contains(provider) || admission.accounts.of(provider).contains(where: \.hasToken)
        }
    }

    /// Throws if no endpoint is of that provider.
    private func check(provider name: String) throws(TaskServiceError) {
        let known = Set(catalog.endpoints.map(\.provider.text)).sorted()
        guard !known.contains(name) else { return }
        throw .invalidField("provider", problem: "must be one of \(known.joined(separator: ", "))")
    }

    private func compare(
        _ provider: ProviderName, into report: inout ReconcileReport
    ) async throws(TaskStoreError) {
        let endpoints = catalog.endpoints.filter { $0.provider == provider }
        let unlisted = Set(endpoints.filter { $0.inventory == nil }.map(\.name.service)).sorted()
        if !unlisted.isEmpty {
            report.lists.append(
                ReconcileReport.List(
                    provider: provider, account: nil, services: unlisted, condition: .unlisted, records: 0))
        }
        for group in ProviderLists.groups(of: endpoints) {
            let version = version
            let accounts = admission.candidates(for: .unknown, of: provider, since: report.since)
            var reading = await lists.read(
                group, of: accounts, ListComparison.period(since: report.since, until: time.now(), limits),
                figures: group.costPlaces)
            // After a reload, the pages may come from two lists, which prove nothing.
            if version != self.version { reading = reading.incomplete }
            let records = reading.records.map(\.task)
            let inventory = try await store.inventory(of: records.map(\.remoteID), in: group.services)
            let comparison = ListComparison(
                reading: reading, inventory: inventory, tasks: try await tasks(of: group, since: report.since),
                costs: try await costs(of: records, inventory), since: report.since, limits: limits)
            comparison.add(to: &report)
        }
    }

    /// The tasks of the endpoints that were created at that time or later.
    private func tasks(
        of group: ProviderLists.Group, since: Timestamp
    ) async throws(TaskStoreError) -> [TrackedTask] {
        var found: [TrackedTask] = []
        for endpoint in group.endpoints {
            var key: Int64?
            repeat {
                let page = try await store.tasks(of: endpoint.name, before: key, limit: Self.pageSize)
                let recent = page.tasks.filter { $0.createdAt >= since }
                found += recent
                // Keys are nearly in order of time.
                key = recent.isEmpty ? nil : page.next
            } while key != nil
        }
        return found
    }

    /// What the ledger counts for the holders of the records that say what they cost.
    private func costs(
        of records: [ListedTask], _ inventory: InventorySnapshot
    ) async throws(TaskStoreError) -> [TaskID: [AttemptCost]] {
        let priced = records.filter { !$0.figures.isEmpty }
        let holders = Set(priced.flatMap { inventory.holders[$0.remoteID] ?? [] }.map(\.task)).sorted()
        var costs: [TaskID: [AttemptCost]] = [:]
        for start in stride(from: 0, to: holders.count, by: Self.pageSize) {
            let page = holders[start..<min(start + Self.pageSize, holders.count)]
            costs.merge(try await store.costs(of: Array(page))) { $1 }
        }
        return costs
    }

    // MARK: Adoption

    /// Tracks the records that no task has, as `pollux track` does.
    private func adopt(in report: inout ReconcileReport) async {
        for index in report.orphans.indices {
            let orphan = report.orphans[index]
            guard let endpoint = orphan.endpoint else {
                report.orphans[index].problem = "its list does not show its endpoint; use `pollux track ENDPOINT ID`"
                continue
            }
            switch await adopt(orphan, as: endpoint) {
            case .success(let task): report.orphans[index].task = task
            case .failure(let error): report.orphans[index].problem = error.message
            }
        }
    }

    private func adopt(
        _ orphan: ReconcileReport.Orphan, as endpoint: EndpointName
    ) async -> Result<TaskID, TaskServiceError> {
        do throws(TaskServiceError) {
            let (task, _) = try await service.adopt(
                endpoint: endpoint.text, remoteID: orphan.remoteID.text, account: orphan.account.text, labels: [:],
                priority: 0, deadline: nil)
            return .success(task.task.id)
        } catch {
            return .failure(error)
        }
    }
}

extension ProviderLists.Reading {
    /// The same reading without a claim that any list is complete.
    fileprivate var incomplete: ProviderLists.Reading {
        ProviderLists.Reading(
            group: group, began: began,
            lists: lists.map { account, list in (account, list.map { FetchedList(tasks: $0.tasks, isComplete: false) })
            })
    }
}

extension DaemonEvent {
    /// The providers' lists were compared with the tasks. The counts are those of the report.
    fileprivate static func reconciled(_ report: ReconcileReport, at now: Timestamp) -> DaemonEvent {
        func names(_ condition: ReconcileReport.List.Condition) -> JSONValue {
            let names = Set(report.lists.filter { $0.condition == condition }.map(\.provider)).sorted()
            return .array(names.map { .string($0.text) })
        }
        return DaemonEvent(
            at: now, kind: reconciled,
            detail: JSONObject([
                ("since", .string(report.since.rfc3339)), ("scheduled", .bool(report.isScheduled)),
                ("complete", .bool(report.isComplete)), ("known", .number(JSONNumber(report.known))),
                ("in_flight", .number(JSONNumber(report.inFlight))),
                ("orphans", .number(JSONNumber(report.orphans.count))),
                ("adopted", .number(JSONNumber(report.orphans.count { $0.task != nil }))),
                ("ghosts", .number(JSONNumber(report.ghosts.count))),
                ("price_differences", .number(JSONNumber(report.priceDifferences.count))),
                ("unjudged", .number(JSONNumber(report.unjudged))), ("incomplete", names(.incomplete)),
                ("unread", names(.unread)), ("without_list", names(.unlisted)),
            ]))
    }
}

extension Logger {
    fileprivate func note(_ report: ReconcileReport) {
        let missing = report.isComplete ? "" : " Some lists could not be read to their end."
        let message: Message =
            """
            Reconciled since \(report.since.rfc3339): \(report.known) known record(s), \
            \(report.orphans.count) orphan(s), \(report.ghosts.count) ghost(s), \
            \(report.priceDifferences.count) price difference(s).\(missing) `pollux reconcile` shows them.
            """
        log(level: report.agrees && report.isComplete ? .info : .warning, message)
    }
}
