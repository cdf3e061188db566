import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Compares the tasks that were queued at the start with the provider's list. The database may be an older copy without
/// any other sign.
struct StartChecker: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let check: StartCheck
    let search: LostAttemptSearch
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    private static let pageSize = 1_000

    /// Makes the queued tasks of these endpoints wait, if the provider lists its tasks.
    func begin(_ queued: Set<EndpointName>, since: Timestamp) async throws(TaskStoreError) {
        guard !queued.isEmpty else { return try await store.noteStartChecked() }
        let now = time.now()
        let scope = StartCheck.Scope(since: min(since, now), startedAt: now, mark: try await store.mark())
        let unlisted = queued.filter { endpoint in catalog.endpoint(endpoint).map { $0.listing == nil } ?? false }
        check.begin(queued.subtracting(unlisted), in: scope)
        if !unlisted.isEmpty {
            try await skip(unlisted.sorted(), in: scope, because: Self.noList)
            if unlisted.count == queued.count { try await store.noteStartChecked() }
        }
    }

    /// The services whose lists must be read, each under the first account of its provider.
    var services: Set<AccountService> { Set(check.services.map(key)) }

    /// When to read the lists of the service again; nil if nothing waits for them, or none can be read.
    func next(of service: AccountService, at now: Timestamp) -> Timestamp? {
        guard service == key(of: service.service), !readable(check.endpoints(of: service.service)).isEmpty else {
            return nil
        }
        return check.next(of: service.service, at: now)
    }

    private func key(of service: ServiceName) -> AccountService {
        let provider = catalog.endpoints.first { $0.name.service == service }?.provider
        return AccountService(service, of: provider.map { search.admission.accounts.first(of: $0) } ?? .default)
    }

    /// The due reading of the service's lists; nil if there is none.
    ///
    /// Any account may have sent the queued tasks, so the lists of all accounts are read together.
    func work(of key: AccountService, at now: Timestamp) async throws(TaskStoreError) -> Reconciler.Work? {
        let service = key.service
        guard key == self.key(of: service) else { return nil }
        while true {
            let waiting = readable(check.due(of: service, at: now))
            let unlisted = waiting.filter { $0.listing == nil }.map(\.name)
            if let scope = unlisted.first.flatMap({ check.scope(of: $0) }) {
                // A reload may have removed its list.
                try await skip(unlisted, in: scope, because: Self.noList)
                try await pass(unlisted)
                continue
            }
            guard let first = waiting.first else { return nil }
            let together = waiting.filter { $0.sharesLookup(with: first) }
            var tasks: [TrackedTask] = []
            for profile in together {
                guard let scope = check.scope(of: profile.name),
                    let oldest = try await store.queuedPage(
                        on: profile.name, after: nil, through: scope.mark, limit: 1)?.tasks.first
                else { continue }
                tasks.append(inDoubt(oldest.task, in: scope))
            }
            if !tasks.isEmpty {
                return Reconciler.Work(
                    service: key, profile: first, account: search.firstAccount(for: .unknown, first, at: now),
                    uncertain: [], givenUp: [], tasks: [:], queued: tasks)
            }
            // They were all cancelled in the meantime.
            try await pass(together.map(\.name))
        }
    }

    /// The endpoints whose lists can be read: they have a definition and credentials.
    private func readable(_ endpoints: [EndpointName]) -> [EndpointProfile] {
        endpoints.compactMap { catalog.endpoint($0) }.filter {
            !search.searchedAccounts(for: .unknown, of: $0.provider).isEmpty
        }
    }

    private static let noList = "the provider has no list of tasks"

    /// Reads the lists of all accounts. Makes the tasks uncertain that may have been sent after the last time at which
    /// the daemon is known to have run.
    func perform(_ work: Reconciler.Work) async {
        let endpoints = work.queued.map(\.endpoint)
        guard let scope = endpoints.first.flatMap({ check.scope(of: $0) }) else { return }
        let reading = await search.run(
            for: work.targets, sharing: work.profile, first: work.account, onlyInList: true)
        let service = work.service.service
        do throws(TaskStoreError) {
            if case .read(let answer) = reading {
                try await doubt(endpoints, of: service, in: scope, after: answer)
                if answer.showsAll { return try await pass(endpoints) }
            }
            let isAnswered =
                switch reading {
                case .read(let answer): answer.isAnswered
                case .refused: true
                case .unanswered, .outdated: false
                }
            if check.fail(service, isAnswered: isAnswered, at: time.now()) {
                try await skip(endpoints, in: scope, because: Self.problem(with: reading))
                try await pass(endpoints)
            }
        } catch {
            _ = check.fail(service, isAnswered: false, at: time.now())
            logger.error("Could not check the queued tasks of \(service): \(error.message)")
        }
    }

    /// Why the lists are incomplete.
    private static func problem(with reading: LostAttemptSearch.Result<CombinedAnswer>) -> String {
        let general = "the provider's list could not be read to its end, or the clocks differ"
        guard let unread = reading.answer?.unreadAccounts, !unread.isEmpty else { return general }
        return "the list of \(unread.map { "account \($0)" }.joined(separator: " and of ")) could not be read"
    }

    /// Logs that tasks of these endpoints are sent unchecked.
    func skip(
        _ endpoints: [EndpointName], in scope: StartCheck.Scope, because reason: String
    ) async throws(TaskStoreError) {
        logger.warning(
            """
            Tasks of \(endpoints.map(\.text).joined(separator: ", ")) that were queued at the start are sent unchecked: \(reason). \
            If this machine or its files were set back to an earlier state, stop now and start with --hold.
            """)
        try await store.log(.startNotChecked(endpoints, since: scope.since, because: reason, at: time.now()))
    }

    private func pass(_ endpoints: [EndpointName]) async throws(TaskStoreError) {
        // Until then, a later start checks from the same time.
        if check.isLast(endpoints) { try await store.noteStartChecked() }
        check.end(endpoints)
        wakes.submitter.signal()
    }

    private func doubt(
        _ endpoints: [EndpointName], of service: ServiceName, in scope: StartCheck.Scope, after answer: CombinedAnswer
    ) async throws(TaskStoreError) {
        let unexplained = Mutex<[ListedTask]>([])
        _ = try await store.settle(
            service: service, attemptedIn: answer.reach, candidates: answer.candidates, at: answer.began
        ) { view in
            unexplained.withLock { $0 = answer.unexplained(in: view) }
            return []
        }
        let records = unexplained.withLock { $0 }
        guard !records.isEmpty else { return }
        for endpoint in endpoints {
            var mark: TaskMark?
            while let page = try await store.queuedPage(
                on: endpoint, after: mark, through: scope.mark, limit: Self.pageSize)
            {
                mark = page.mark
                let found = answer.records(among: records, for: page.tasks.map { inDoubt($0, in: scope) })
                let events = page.tasks.compactMap { stored -> ScheduledEvent? in
                    guard let possible = found[stored.task.id], !possible.isEmpty else { return nil }
                    return ScheduledEvent(
                        .perhapsSent(since: scope.since, possible: possible), for: stored.task.id,
                        nextDueAt: answer.began)
                }
                guard !events.isEmpty else { continue }
                _ = try await store.apply(events, at: time.now())
                logger.warning(
                    """
                    \(events.count) task(s) of \(endpoint) that were queued at the start may have been sent before: the \
                    provider lists records that no task owns. They are looked up first.
                    """)
            }
        }
        wakes.lookups.signal()
    }

    /// The task as if it was sent after the last time at which the daemon is known to have run. The period ends now,
    /// because the clock may have been wrong at the start.
    private func inDoubt(_ task: TrackedTask, in scope: StartCheck.Scope) -> TrackedTask {
        TaskLifecycle.apply(.perhapsSent(since: scope.since), to: task, at: time.now(), nextDueAt: nil).task
    }

    private func inDoubt(_ stored: TaskWithPayload, in scope: StartCheck.Scope) -> TaskWithPayload {
        TaskWithPayload(task: inDoubt(stored.task, in: scope), payload: stored.payload)
    }
}
