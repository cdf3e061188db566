import Logging
import PollingPolicy
import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Searches the provider for lost attempts, by their client ids and in its list of tasks.
///
/// Uncertain tasks come first. It searches for given-up attempts for another day, because the provider may list and
/// bill them late.
package struct Reconciler: Worker {
    /// Attempts of an account's service that share a list and started close together.
    package struct Work: Sendable {
        package let service: AccountService
        let profile: EndpointProfile
        /// The account that is searched first. It is the only one, unless the account of an attempt is unknown.
        let account: AccountName
        /// The uncertain tasks that are due.
        let uncertain: [TrackedTask]
        /// The given-up attempts that are due.
        let givenUp: [GivenUpAttempt]
        /// The tasks of ``givenUp`` by id.
        let tasks: [TaskID: TrackedTask]
        /// One task of each endpoint whose queued tasks have waited for this reading since the start.
        var queued: [TrackedTask] = []
    }

    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let search: LostAttemptSearch
    let starts: StartChecker
    @Current var lookups: LookupPolicy
    let limits: EngineLimits
    let clock: ClockJumpDetector
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger
    private let inFlight = InFlightServices()

    package var wake: WakeSignal { wakes.lookups }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        var comeBack = now + .seconds(60)
        let services = Set(try await store.services(in: .uncertain))
            .union(try await store.servicesWithGivenUpAttempts()).union(starts.services)
        for service in services.sorted() where inFlight.begin(service) {
            do throws(TaskStoreError) {
                let (reading, next) = try await claim(of: service, at: now)
                if let reading { work.append(reading) } else { inFlight.end(service) }
                comeBack = min(comeBack, next ?? comeBack)
            } catch {
                inFlight.end(service)
                throw error
            }
        }
        return comeBack
    }

    private func claim(of service: AccountService, at now: Timestamp) async throws(TaskStoreError) -> (
        Work?, Timestamp?
    ) {
        // In a shared store most services belong to another process, and this one then leaves their tasks alone.
        if admission.leases.isShared, let owner = owner(of: service) {
            try await admission.leases.acquire([owner], at: now)
            if let block = admission.leases.block(on: owner, at: now) { return (nil, block.until) }
        }
        let due = try await settleWithoutSearch(
            among: try await store.due(in: .uncertain, of: service, by: now, limit: 500), at: now)
        let block = admission.breakers.block(.polls(service), at: now)
        let searchable = due.filter { isSearchable($0.endpoint, by: service.account) && $0.attempt != nil }
        if searchable.count < due.count {
            let found = Set(searchable.map(\.id))
            let stuck = due.map(\.id).filter { !found.contains($0) }
            try await store.postpone(stuck, until: now + lookups.maxGap)
        }
        // Lost attempts come first, so that their records have an owner. Another account may read the lists for the
        // start check.
        var found = block == nil ? try await work(of: service, searchable, at: now) : nil
        if found == nil { found = try await starts.work(of: service, at: now) }
        guard let work = found else {
            if let block { return (nil, block.until) }
            let next = [
                try await store.nextDue(in: .uncertain, of: service),
                try await store.nextGivenUpReading(of: service).map { max($0, now + .seconds(1)) },
                starts.next(of: service, at: now + .seconds(1)),
            ]
            return (nil, next.compactMap(\.self).min())
        }
        let endpoint = AccountEndpoint(work.profile, of: work.account)
        if let block = admission.breakers.block(endpoint.polls, at: now) { return (nil, block.until) }
        try await admission.leases.acquire([endpoint.owner], at: now)
        if let lease = admission.leases.block(on: endpoint.owner, at: now) { return (nil, lease.until) }
        if let slot = admission.querySlot(of: endpoint) { return (nil, slot) }
        return (work, now)
    }

    /// The account whose lease covers look-ups of the service; nil if no definition has the service.
    private func owner(of service: AccountService) -> ProviderAccount? {
        catalog.endpoints.first { $0.name.service == service.service }.map { profile in
            let account = service.account == .unknown ? admission.accounts.first(of: profile.provider) : service.account
            return ProviderAccount(provider: profile.provider, account: account)
        }
    }

    /// Selects work: the most urgent uncertain task and others within an hour of it that share its list. If no
    /// uncertain task is due, selects given-up attempts in the same way.
    private func work(
        of service: AccountService, _ searchable: [TrackedTask], at now: Timestamp
    ) async throws(TaskStoreError) -> Work? {
        if let first = searchable.first, let profile = catalog.endpoint(first.endpoint) {
            let start = first.attempt?.startedAt ?? now
            let together = searchable.filter { other in
                sharesLookup(other.endpoint, profile)
                    && abs(((other.attempt?.startedAt ?? now) - start).inSeconds) <= 3_600
            }
            // For resubmitted tasks, all earlier attempts are included.
            var earlier: [GivenUpAttempt] = []
            for task in together where task.attempts > 1 {
                earlier += try await store.givenUpAttempts(of: task.id)
            }
            let tasks = Dictionary(uniqueKeysWithValues: together.map { ($0.id, $0) })
            return Work(
                service: service, profile: profile,
                account: search.firstAccount(for: service.account, profile, at: now),
                uncertain: together,
                givenUp: earlier, tasks: tasks)
        }
        let due = try await store.givenUpAttempts(of: service, dueBy: now, limit: 500)
        var tasks: [TaskID: TrackedTask] = [:]
        for attempt in due { tasks[attempt.task] = try await store.task(attempt.task) }
        let searchableDue = due.filter { attempt in
            tasks[attempt.task].map { isSearchable($0.endpoint, by: service.account) } ?? false
        }
        if searchableDue.count < due.count {
            let known = Set(searchableDue.map(\.key))
            try await noteUnread(due.filter { !known.contains($0.key) }, at: now)
        }
        guard let first = searchableDue.first, let endpoint = tasks[first.task]?.endpoint,
            let profile = catalog.endpoint(endpoint)
        else { return nil }
        let together = searchableDue.filter { attempt in
            // A reading that covers a whole day would never reach its end.
            abs((attempt.attempt.startedAt - first.attempt.startedAt).inSeconds) <= 3_600
                && tasks[attempt.task].map { sharesLookup($0.endpoint, profile) } ?? false
        }
        return Work(
            service: service, profile: profile, account: search.firstAccount(for: service.account, profile, at: now),
            uncertain: [],
            givenUp: together, tasks: tasks)
    }

    private func sharesLookup(_ endpoint: EndpointName, _ profile: EndpointProfile) -> Bool {
        catalog.endpoint(endpoint)?.sharesLookup(with: profile) ?? false
    }

    private func isSearchable(_ endpoint: EndpointName, by account: AccountName) -> Bool {
        guard let profile = catalog.endpoint(endpoint) else { return false }
        return !search.searchedAccounts(for: account, of: profile.provider).isEmpty && !profile.needsPersonWhenUncertain
    }

    /// Ends tasks that need no search: those whose callback reported an end without an id, and those with the policy
    /// `fail` and nothing to search. Returns the others.
    private func settleWithoutSearch(
        among tasks: [TrackedTask], at now: Timestamp
    ) async throws(TaskStoreError) -> [TrackedTask] {
        var events: [ScheduledEvent] = []
        for task in tasks {
            if task.callbacks.finalAt != nil, task.callbacks.remoteID == nil,
                let outcome = await store.deliveredOutcome(of: task, in: catalog, logger: logger)
            {
                events.append(ScheduledEvent(.endedByCallback(outcome), for: task.id, nextDueAt: nil))
            } else if task.onUncertain == .fail, admission.hold.mode == nil,
                catalog.endpoint(task.endpoint)?.needsPersonWhenUncertain ?? false
            {
                events.append(ScheduledEvent(AbsencePolicy.failed(task), for: task.id, nextDueAt: nil))
            }
        }
        guard !events.isEmpty else { return tasks }
        let changes = try await store.apply(events, at: now)
        let settled = Set(changes.filter { $0.task.state.hasEnded }.map(\.task.id))
        return tasks.filter { !settled.contains($0.id) }
    }

    package func perform(_ work: Work) async {
        defer { inFlight.end(work.service) }
        guard work.queued.isEmpty else { return await starts.perform(work) }
        guard let answer = await search.run(for: work.targets, sharing: work.profile, first: work.account).answer else {
            return await postpone(work)
        }
        let nextLookups = Dictionary(uniqueKeysWithValues: work.uncertain.map { ($0.id, nextLookup(of: $0)) })
        let policy = AbsencePolicy(
            limits, clock: clock, readingTook: time.elapsed() - answer.beganElapsed,
            isRestored: admission.hold.mode != nil, at: time.now())
        let searched = Set(work.uncertain.map(\.id))
        let earlier = Dictionary(grouping: work.givenUp, by: \.task)
        do throws(TaskStoreError) {
            // The first absence counts from the last search, a later one from the first: so every list is covered.
            _ = try await store.settle(
                service: work.service.service, attemptedIn: answer.reach, candidates: answer.candidates,
                at: answer.allBegan
            ) { view in
                let findings = answer.findings(in: view)
                let givenUp = view.givenUp.compactMap { Self.event(for: $0, findings[$0.givenUp.key]) }
                let settled = Set(givenUp.map(\.task))
                let uncertain = view.uncertain.compactMap { stored -> ScheduledEvent? in
                    let task = stored.task
                    guard !settled.contains(task.id) else { return nil }
                    let key = task.attempt.map { GivenUpAttempt.Key(task: task.id, number: $0.number) }
                    guard let finding = key.flatMap({ findings[$0] }) else { return nil }
                    let next = nextLookups[task.id] ?? answer.began
                    switch finding {
                    case .found(let id, let trace, let account):
                        let event: TaskEvent =
                            answer.isFoundByOwnID(task.id)
                            ? .foundByOwnID(id, traceID: trace) : .foundInList(id, traceID: trace)
                        return ScheduledEvent(event, for: task.id, shownTo: account, nextDueAt: answer.began)
                    case .conflict(let id):
                        logger.about(task).warning(
                            """
                            \(task.id) was sent with the id \(id), which the provider uses for another task. Resolve it by \
                            hand: `pollux resolve \(task.id) --give-up` or `--resubmit`.
                            """)
                        return ScheduledEvent(.lookupUndecided(), for: task.id, nextDueAt: next)
                    case .possible, .absent, .unproven:
                        guard searched.contains(task.id) else { return nil }
                        let whole = Self.finding(finding, with: earlier[task.id] ?? [], findings)
                        let event = policy.event(for: task, after: whole, at: answer.began)
                        // A task that is sent again does not wait for another look-up.
                        let due = if case .resubmitted = event { answer.began } else { next }
                        return ScheduledEvent(event, for: task.id, nextDueAt: due)
                    }
                }
                return givenUp + uncertain
            }
            try await note(work.givenUp, answer)
            wakes.polls.signal()
            wakes.submitter.signal()
        } catch {
            logger.error("Could not settle uncertain tasks of \(work.service): \(error.message)")
            await postpone(work)
        }
    }

    /// The finding about a whole task: it is absent only if all its attempts are.
    private static func finding(
        _ latest: LostAttemptSearch.Finding, with earlier: [GivenUpAttempt],
        _ findings: [GivenUpAttempt.Key: LostAttemptSearch.Finding]
    ) -> LostAttemptSearch.Finding {
        guard latest == .absent else { return latest }
        return earlier.map { findings[$0.key] ?? .unproven }.first { $0 != .absent } ?? latest
    }

    /// The event for a given-up attempt; nil if the finding changes nothing.
    private static func event(
        for given: GivenUpTask, _ finding: LostAttemptSearch.Finding?
    ) -> ScheduledEvent? {
        let task = given.stored.task
        switch finding {
        case .found(let id, let trace, let account):
            return ScheduledEvent(
                .turnedUp(id, traceID: trace), for: task.id, attempt: given.givenUp.attempt.number,
                shownTo: account, nextDueAt: nil)
        // Stops a queued resubmission until a search or a user decides. A user who asked for it has already decided.
        case .possible(let ids, let isSame) where task.state == .queued && (isSame || task.resolution != .resubmitted):
            return ScheduledEvent(.lookupUndecided(possible: ids), for: task.id, nextDueAt: nil)
        case .possible, .conflict, .absent, .unproven, nil: return nil
        }
    }

    private func note(_ attempts: [GivenUpAttempt], _ answer: CombinedAnswer) async throws(TaskStoreError) {
        try await store.noteReadings(
            of: attempts.filter { ($0.nextReadingAt ?? answer.began) <= answer.began }.map { attempt in
                var attempt = attempt
                if answer.isFoundByOwnID(attempt.task) || answer.isComplete(for: attempt) {
                    attempt.wasRead(at: answer.began)
                } else {
                    attempt.couldNotBeRead(at: answer.began)
                }
                return attempt
            })
    }

    private func noteUnread(_ attempts: [GivenUpAttempt], at now: Timestamp) async throws(TaskStoreError) {
        try await store.noteReadings(
            of: attempts.map { attempt in
                var attempt = attempt
                attempt.couldNotBeRead(at: now)
                return attempt
            })
    }

    private func postpone(_ work: Work) async {
        let now = time.now()
        do throws(TaskStoreError) {
            if let gap = work.uncertain.map({ nextLookup(of: $0) }).min() {
                try await store.postpone(work.uncertain.map(\.id), until: gap)
            }
            try await noteUnread(work.givenUp.filter { ($0.nextReadingAt ?? now) <= now }, at: now)
        } catch {
            logger.error("Could not postpone uncertain tasks of \(work.service): \(error.message)")
        }
    }

    private func nextLookup(of task: TrackedTask) -> Timestamp {
        let now = time.now()
        return random.draw { generator in
            lookups.nextLookup(lostAt: task.attempt?.endedAt ?? now, now: now, using: &generator)
        }
    }
}

extension Reconciler.Work {
    var targets: [LostAttemptSearch.Target] {
        uncertain.compactMap { task in
            task.attempt.map {
                LostAttemptSearch.Target(
                    task: task, attempt: $0, account: task.account,
                    endedWithDaemon: task.failure?.code == TaskFailure.daemonStopped)
            }
        }
            + givenUp.compactMap { given in
                tasks[given.task].map {
                    LostAttemptSearch.Target(
                        task: $0, attempt: given.attempt, account: given.account,
                        endedWithDaemon: given.endedWithDaemon)
                }
            }
            + queued.compactMap { task in
                task.attempt.map {
                    LostAttemptSearch.Target(
                        task: task, attempt: $0, account: task.account, endedWithDaemon: false)
                }
            }
    }
}
