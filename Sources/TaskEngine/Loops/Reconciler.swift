import Logging
import PollingPolicy
import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Looks for lost submissions at the provider: by the id that it was given, and in its own list of tasks.
package struct Reconciler: WorkLoop {
    /// Uncertain tasks of one service whose attempts lie close together.
    package struct Work: Sendable {
        let service: String
        let profile: EndpointProfile
        let tasks: [TrackedTask]
        /// When their requests can have reached the provider.
        let window: ClosedRange<Timestamp>
        /// A task that the provider is known to have, near to these: a list that works shows it.
        let control: StoredTask?
    }

    package let context: EngineContext
    package var wake: WakeSignal { context.wakes.lookups }
    private let underWay = ServicesUnderWay()

    /// The loop over uncertain tasks.
    package init(_ context: EngineContext) {
        self.context = context
    }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        var comeBack = now + .seconds(60)
        for service in try await context.store.services(in: .uncertain) where underWay.begin(service) {
            do throws(TaskStoreError) {
                let (reading, next) = try await claim(of: service, at: now)
                if let reading { work.append(reading) } else { underWay.end(service) }
                comeBack = min(comeBack, next ?? comeBack)
            } catch {
                underWay.end(service)
                throw error
            }
        }
        return comeBack
    }

    private func claim(of service: String, at now: Timestamp) async throws(TaskStoreError) -> (Work?, Timestamp?) {
        if case .closed(let until, _) = context.gates.passage(.polls, service, at: now) { return (nil, until) }
        let due = try await settleDelivered(
            among: try await context.store.due(in: .uncertain, of: service, by: now, limit: 500), at: now)
        let searchable = due.filter(isSearchable)
        if searchable.count < due.count {
            let stuck = due.filter { !isSearchable($0) }
            try await context.store.postpone(stuck.map(\.id), until: now + context.polling.maxGap)
        }
        guard let first = searchable.first, let attempt = first.attempt,
            let profile = context.catalog.endpoint(first.endpoint)
        else { return (nil, try await context.store.nextDue(in: .uncertain, of: service)) }
        if let slot = context.slot(for: .queries(service), of: profile) { return (nil, slot) }
        // One reading covers an hour around the most urgent one, and what is listed in the same place; the others get
        // theirs next.
        let together = searchable.filter { other in
            guard let start = other.attempt?.startedAt, let its = context.catalog.endpoint(other.endpoint) else {
                return false
            }
            return its.sharesLookup(with: profile) && abs((start - attempt.startedAt).inSeconds) <= 3_600
        }
        let windows = together.compactMap { window(of: $0) }
        guard let from = windows.map(\.lowerBound).min(), let to = windows.map(\.upperBound).max() else {
            return (nil, nil)
        }
        let neighbour = try await context.store.acceptedNeighbour(of: first.id, within: context.limits.controlSpan)
        var control: StoredTask?
        if let neighbour { control = try await context.store.taskWithPayload(neighbour.id) }
        return (Work(service: service, profile: profile, tasks: together, window: from...to, control: control), now)
    }

    /// Ends the tasks whose end was delivered, without an id, while the reply to their submission was waited for: nothing
    /// else will ever tell. Returns the others.
    private func settleDelivered(
        among tasks: [TrackedTask], at now: Timestamp
    ) async throws(TaskStoreError) -> [TrackedTask] {
        var events: [PlannedEvent] = []
        for task in tasks where task.callbacks.finalAt != nil && task.callbacks.remoteID == nil {
            guard let outcome = await context.deliveredOutcome(of: task) else { continue }
            events.append(PlannedEvent(.endedByCallback(outcome), for: task.id, nextDueAt: nil))
        }
        guard !events.isEmpty else { return tasks }
        let changes = try await context.store.apply(events, at: now)
        context.announce(changes)
        let settled = Set(changes.filter { $0.task.state.hasEnded }.map(\.task.id))
        return tasks.filter { !settled.contains($0.id) }
    }

    private func isSearchable(_ task: TrackedTask) -> Bool {
        guard task.attempt != nil, let profile = context.catalog.endpoint(task.endpoint) else { return false }
        return context.hasToken(profile.provider) && (profile.supportsListing || profile.ownIDMember != nil)
    }

    package func perform(_ work: Work) async {
        defer { underWay.end(work.service) }
        let began = context.time.now()
        let known = await OwnIDLookup(context: context, service: work.service).find(work.tasks)
        guard let reading = await read(work, besides: known) else { return await putOff(work) }
        let provesAbsence = reading.isComplete && isTrustworthy(reading, for: work)
        let looking = Set(work.tasks.map(\.id))
        let nextLookups = Dictionary(uniqueKeysWithValues: work.tasks.map { ($0.id, nextLookup(of: $0)) })
        let proof = AbsenceProof(
            readings: context.limits.absentReadings, span: context.limits.absentSpan,
            seen: { [clock = context.clock] moment in clock.spanSeen(since: moment) })
        let logger = context.logger
        do throws(TaskStoreError) {
            let changes = try await context.store.settle(
                service: work.service, attemptedIn: reach(of: work),
                candidates: Set(reading.tasks.map(\.remoteID)).union(known.found.values.map(\.id)),
                at: began
            ) { view in
                // Whoever was found by its own id needs no record, and its record is nobody else's.
                let taken = view.owned.union(known.found.values.map(\.id))
                let findings = SubmissionMatcher.search(
                    for: view.uncertain.filter { known.found[$0.task.id] == nil && isListed($0.task, for: work) }
                        .compactMap { lost($0) },
                    among: reading.tasks.filter { !taken.contains($0.remoteID) },
                    sending: view.submitting.filter { isListed($0.task, for: work) }.compactMap { lost($0) })
                // Two tasks may have been sent under one id by a program; only one of them can be what is there.
                var claimed = view.owned
                return view.uncertain.compactMap { stored in
                    let task = stored.task
                    let nextDueAt = nextLookups[task.id] ?? began
                    if let own = known.found[task.id] {
                        guard claimed.insert(own.id).inserted else {
                            logger.warning(
                                """
                                \(task.id) was sent under the id \(own.id), which the provider has for another task. Resolve \
                                it by hand: `pollux resolve \(task.id) --give-up` or `--resubmit`.
                                """)
                            return PlannedEvent(.lookupUndecided, for: task.id, nextDueAt: nextDueAt)
                        }
                        return PlannedEvent(.foundByOwnID(own.id, traceID: own.traceID), for: task.id, nextDueAt: began)
                    }
                    guard looking.contains(task.id) else { return nil }
                    switch findings[task.id] {
                    case .found(let id, let trace):
                        return PlannedEvent(.foundInList(id, traceID: trace), for: task.id, nextDueAt: began)
                    case .absent
                    where provesAbsence && !known.unanswered.contains(task.id)
                        && (task.attempt?.endedAt ?? began) <= began:
                        return PlannedEvent(proof.event(for: task, at: began), for: task.id, nextDueAt: nextDueAt)
                    case .absent, .undecided, nil:
                        return PlannedEvent(.lookupUndecided, for: task.id, nextDueAt: nextDueAt)
                    }
                }
            }
            context.announce(changes)
            context.wakes.polls.nudge()
            context.wakes.submitter.nudge()
        } catch {
            context.logger.error("Could not settle uncertain tasks of \(work.service): \(error.message)")
            await putOff(work)
        }
    }

    /// Whether a record of the list that was read may be this task's.
    private func isListed(_ task: TrackedTask, for work: Work) -> Bool {
        context.catalog.endpoint(task.endpoint)?.sharesList(with: work.profile) ?? false
    }

    /// Whether a task that a complete reading does not show is not there.
    ///
    /// A list that does not show what is known to be there, or shows it at another time than it was sent, proves nothing
    /// by not showing something else. Where there is no such task to look for, a list that the provider documents is taken
    /// at its word; one that is only known from code must show something at all.
    private func isTrustworthy(_ reading: ListReading, for work: Work) -> Bool {
        guard reading.isList else { return true }
        if let skew = reading.clockSkew, abs(skew.inSeconds) > context.limits.clockSkew.inSeconds {
            context.logger.warning(
                "The provider's clock and ours are \(Int(skew.inSeconds)) s apart; so its list proves nothing by what it does not show."
            )
            return false
        }
        guard let stored = work.control, let id = stored.task.remoteID else {
            if work.profile.listing == .documented || !reading.tasks.isEmpty { return true }
            context.logger.warning(
                """
                The list of \(work.service) tasks shows none at all, and no document of the provider promises it; so it proves \
                nothing about lost ones until it shows one that was accepted.
                """)
            return false
        }
        guard let shown = reading.tasks.first(where: { $0.remoteID == id }) else {
            context.logger.warning(
                "The provider's list does not show \(id), which it has accepted; so it proves nothing about other tasks."
            )
            return false
        }
        let control = stored.task
        // Of one that was tracked or adopted nobody knows for certain what was sent, and when.
        if control.resolution == nil, let sent = lost(stored), let echo = shown.request.object, !echo.isEmpty,
            !sent.isEchoed(by: echo)
        {
            context.logger.warning(
                """
                The provider's list shows \(id) with another request than was sent, so that a lost task would not be known \
                by its own; so it proves nothing about other tasks.
                """)
            return false
        }
        guard control.resolution == nil, let createdAt = shown.createdAt, let window = window(of: control),
            !window.contains(createdAt)
        else { return true }
        context.logger.warning(
            "The provider's list has \(id) at \(createdAt.rfc3339), when it was not sent; so it proves nothing about other tasks."
        )
        return false
    }

    /// Reads the list, where there is one and it is needed; nil where nothing was learned.
    private func read(_ work: Work, besides known: OwnIDLookup.Outcome) async -> ListReading? {
        guard work.profile.supportsListing else {
            // No list can contradict them: whoever was asked for and is not known is absent.
            guard known.unanswered.count < work.tasks.count else { return nil }
            return ListReading(tasks: [], isComplete: true, isList: false)
        }
        if known.found.count == work.tasks.count { return ListReading(tasks: [], isComplete: false, isList: false) }
        var from = work.window.lowerBound
        var to = work.window.upperBound
        if let known = work.control?.task.submittedAt {
            from = min(from, known - context.limits.clockSkew)
            to = max(to, known + context.limits.clockSkew)
        }
        let reader = ListReader(context: context, service: work.service, profile: work.profile)
        return await reader.read(from: from, to: to)
    }

    private func putOff(_ work: Work) async {
        let gap = work.tasks.map { nextLookup(of: $0) }.min() ?? context.time.now() + context.polling.maxGap
        do throws(TaskStoreError) {
            try await context.store.postpone(work.tasks.map(\.id), until: gap)
        } catch {
            context.logger.error("Could not put off uncertain tasks of \(work.service): \(error.message)")
        }
    }

    private func nextLookup(of task: TrackedTask) -> Timestamp {
        let now = context.time.now()
        return context.random.draw { generator in
            context.lookups.nextLookup(lostAt: task.attempt?.endedAt ?? now, now: now, using: &generator)
        }
    }

    private func lost(_ stored: StoredTask) -> SubmissionMatcher.Lost? {
        guard let request = stored.payload.request.object, let window = window(of: stored.task) else { return nil }
        let profile = context.catalog.endpoint(stored.task.endpoint)
        return SubmissionMatcher.Lost(
            id: stored.task.id, endpoint: stored.task.endpoint, request: profile?.body(of: request) ?? request,
            recordType: profile?.recordType,
            window: window, callback: callback(of: stored.task, profile: profile),
            ownID: profile.flatMap { profile in
                guard let member = profile.ownIDMember else { return nil }
                return profile.ownID(in: request, otherwise: stored.task.id.text).map { (member, $0) }
            })
    }

    private func callback(of task: TrackedTask, profile: EndpointProfile?) -> SubmissionMatcher.Callback? {
        guard let digest = task.attempt?.callback, let member = profile?.callbackMember else { return nil }
        return SubmissionMatcher.Callback(member: member, digest: digest)
    }

    /// When attempts can have begun whose records may lie in the window of this work: theirs may be its, so that all of them
    /// take part, though only those of the work are decided about.
    private func reach(of work: Work) -> ClosedRange<Timestamp> {
        let longest =
            context.catalog.endpoints.filter { $0.name.service == work.service }
            .map { context.timeout(of: $0) }.max() ?? context.timeout(of: work.profile)
        let skew = context.limits.clockSkew
        return work.window.lowerBound - skew - longest...work.window.upperBound + skew
    }

    /// When the latest attempt can have reached the provider, with room for a clock that differs from ours.
    ///
    /// A daemon that died in between sent nothing after its time-out, however late it was started again. One that lived
    /// may have slept with its machine, and sent afterwards.
    private func window(of task: TrackedTask) -> ClosedRange<Timestamp>? {
        guard let attempt = task.attempt, let profile = context.catalog.endpoint(task.endpoint) else { return nil }
        let latest = attempt.startedAt + context.timeout(of: profile)
        let ended = attempt.endedAt ?? latest
        let end = max(task.failure?.code == TaskFailure.daemonStopped ? min(ended, latest) : ended, attempt.startedAt)
        return attempt.startedAt - context.limits.clockSkew...end + context.limits.clockSkew
    }
}
