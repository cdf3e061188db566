import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// One search for lost attempts that share a list: by the ids that the provider was given, then in the list itself.
struct LostAttemptSearch: Sendable {
    /// An attempt to look for.
    struct Target: Sendable {
        let task: TrackedTask
        let attempt: Attempt
        let endedWithDaemon: Bool

        var key: GivenUpAttempt.Key { GivenUpAttempt.Key(task: task.id, number: attempt.number) }
    }

    let context: EngineContext
    let service: String
    /// Of any of the targets: they share its list.
    let profile: EndpointProfile
    let targets: [Target]

    /// What the provider answered, and what decides with it.
    struct Answer: Sendable {
        let service: String
        /// When the search began: what was sent later may be missing.
        let began: Timestamp
        /// When attempts can have begun whose records may lie in the part of the list that was read.
        let reach: ClosedRange<Timestamp>
        let known: OwnIDLookup.Outcome
        fileprivate let search: LostAttemptSearch
        fileprivate let reading: ListReading
        fileprivate let accepted: [EndpointName: [(attempt: LostAttempt, stored: StoredTask)]]
        /// Whose callback tokens the records carry.
        fileprivate let marked: [RemoteTaskID: GivenUpAttempt.Key]

        /// Whether every record was seen that the list has.
        var isComplete: Bool { reading.isComplete }

        /// The ids whose owners decide.
        var candidates: Set<RemoteTaskID> {
            Set(reading.tasks.map(\.remoteID)).union(known.found.values.map(\.id))
        }
    }

    /// What the answer says of an attempt, given who owns which record.
    enum Finding: Sendable, Equatable {
        case found(RemoteTaskID, traceID: String?)
        /// Found by the id that it was given, which another task has.
        case conflict(RemoteTaskID)
        /// These may be its records; `isSame` where one certainly is, but a person has named it for another task.
        case possible([RemoteTaskID], isSame: Bool)
        /// The list was read to its end, shows what it must show, and every record in the window is another's.
        case absent
        /// It was not there, and that proves nothing.
        case unproven
    }

    /// Asks the provider; nil where it told nothing.
    func run() async -> Answer? {
        let began = context.time.now()
        let tasks = Dictionary(targets.map { ($0.task.id, $0.task) }) { first, _ in first }
        let known = await OwnIDLookup(context: context, service: service).find(
            tasks.values.sorted { $0.id < $1.id })
        do throws(TaskStoreError) {
            let accepted = try await acceptedTasks()
            guard let window, let reading = await read(besides: known, showing: accepted, window) else { return nil }
            return Answer(
                service: service, began: began, reach: reach(of: window), known: known, search: self, reading: reading,
                accepted: accepted, marked: try await owners(of: reading.tasks))
        } catch {
            context.logger.error("Could not read accepted tasks of \(service): \(error.message)")
            return nil
        }
    }

    private var window: ClosedRange<Timestamp>? {
        let windows = targets.compactMap { target in
            context.catalog.endpoint(target.task.endpoint).map {
                context.window(of: target.attempt, $0, endedWithDaemon: target.endedWithDaemon)
            }
        }
        guard let from = windows.map(\.lowerBound).min(), let to = windows.map(\.upperBound).max() else { return nil }
        return from...to
    }

    /// Whose callback tokens records carry, of all tokens that ever went out.
    private func owners(
        of records: [ListedTask]
    ) async throws(TaskStoreError) -> [RemoteTaskID: GivenUpAttempt.Key] {
        let members = Set(
            context.catalog.endpoints.filter { $0.sharesList(with: profile) }.compactMap(\.dialect.callbackMember))
        var owners: [RemoteTaskID: GivenUpAttempt.Key] = [:]
        for record in records {
            for member in members {
                guard let url = record.request[member]?.string,
                    let owner = try await context.store.owner(of: CallbackToken.digest(inURL: url))
                else { continue }
                owners[record.remoteID] = GivenUpAttempt.Key(task: owner.task.id, number: owner.attempt)
            }
        }
        return owners
    }

    /// Accepted tasks near the targets, by endpoint.
    private func acceptedTasks() async throws(TaskStoreError) -> [EndpointName:
        [(attempt: LostAttempt, stored: StoredTask)]]
    {
        var accepted: [EndpointName: [(attempt: LostAttempt, stored: StoredTask)]] = [:]
        for target in targets where profile.listing != nil && accepted[target.task.endpoint] == nil {
            let near = try await context.store.acceptedNeighbours(
                of: target.task.id, within: context.limits.controlSpan * 2, limit: context.limits.acceptedNeighbours,
                maxBytes: context.limits.neighbourBytes)
            let sent = try await context.store.taskWithPayload(target.task.id).flatMap {
                context.lostAttempt(target.attempt, of: $0)
            }
            let tasks = near.compactMap { stored in context.lostAttempt(of: stored).map { ($0, stored) } }
            // Those that can serve as a control first; the nearest of them is what the reading must reach.
            let names = sent?.request.names ?? []
            accepted[target.task.endpoint] =
                tasks.filter { names.isSubset(of: $0.0.request.names) }
                + tasks.filter { !names.isSubset(of: $0.0.request.names) }
        }
        return accepted
    }

    /// Reads the list, where there is one and it is needed; nil where nothing was learned.
    private func read(
        besides known: OwnIDLookup.Outcome,
        showing accepted: [EndpointName: [(attempt: LostAttempt, stored: StoredTask)]],
        _ window: ClosedRange<Timestamp>
    ) async -> ListReading? {
        guard let list = profile.listing else {
            // No list can contradict them: what was asked for and is not known is absent.
            guard known.unanswered.count < Set(targets.map(\.task.id)).count else { return nil }
            return ListReading(tasks: [], isComplete: true, isList: false)
        }
        let unread = ListReading(tasks: [], isComplete: false, isList: false)
        if known.found.count == Set(targets.map(\.task.id)).count { return unread }
        var (from, to) = (window.lowerBound, window.upperBound)
        // It must reach a task that the list has to show, near each endpoint's targets.
        for tasks in accepted.values {
            guard let nearest = tasks.first?.stored.task.submittedAt else { continue }
            from = min(from, nearest - context.limits.clockSkew)
            to = max(to, nearest + context.limits.clockSkew)
        }
        let reading = await ListReader(context: context, service: service, profile: profile, list: list).read(
            from: from, to: to)
        // What was found by its own id is found, whatever becomes of the list.
        return reading ?? (known.found.isEmpty ? nil : unread)
    }

    /// When attempts can have begun whose records may lie in the window, by the clock of their time.
    private func reach(of window: ClosedRange<Timestamp>) -> ClosedRange<Timestamp> {
        let longest =
            context.catalog.endpoints.filter { $0.name.service == service }
            .map { context.limits.timeout(of: $0) }.max() ?? context.limits.timeout(of: profile)
        let drift = targets.map { $0.attempt.clock.highest - $0.attempt.clock.lowest }.max() ?? .zero
        let room = context.limits.clockSkew + drift
        return window.lowerBound - room - longest...window.upperBound + room
    }
}

extension LostAttemptSearch.Answer {
    /// What became of every lost attempt that shares the list, whether or not it was looked for.
    func findings(in view: UncertainView) -> [GivenUpAttempt.Key: LostAttemptSearch.Finding] {
        let context = search.context
        let uncertain = view.uncertain.filter { isListed($0.task) }
        let givenUp = view.givenUp.filter { isListed($0.stored.task) }
        var lost: [(attempt: LostAttempt, startedAt: Timestamp)] = uncertain.compactMap { stored in
            guard let attempt = stored.task.attempt, let lost = context.lostAttempt(of: stored) else { return nil }
            return (lost, attempt.startedAt)
        }
        lost += givenUp.compactMap { given in
            let attempt = given.givenUp.attempt
            return context.lostAttempt(attempt, of: given.stored, endedWithDaemon: given.givenUp.endedWithDaemon)
                .map { ($0, attempt.startedAt) }
        }
        var findings: [GivenUpAttempt.Key: LostAttemptSearch.Finding] = [:]
        // Two tasks may have been sent under one id by a program; only one of them can be what is there.
        var claimed = view.owned.union(view.named)
        for stored in uncertain {
            guard let own = known.found[stored.task.id], let attempt = stored.task.attempt else { continue }
            let isFree = claimed.insert(own.id).inserted
            findings[GivenUpAttempt.Key(task: stored.task.id, number: attempt.number)] =
                isFree ? .found(own.id, traceID: own.traceID) : .conflict(own.id)
        }
        // The attempts of a task share its id, so one of its own that is known already is no discovery.
        for given in givenUp {
            guard let own = known.found[given.stored.task.id], given.stored.task.state != .uncertain,
                claimed.insert(own.id).inserted
            else { continue }
            findings[given.givenUp.key] = .found(own.id, traceID: own.traceID)
        }
        // What was found by its own id needs no record, and its record belongs to no other.
        let taken = view.owned.union(known.found.values.map(\.id))
        let evidence = Dictionary(
            uniqueKeysWithValues: accepted.compactMap { endpoint, tasks in
                context.catalog.endpoint(endpoint).map {
                    (endpoint, ListEvidence(accepted: tasks, in: reading.tasks, $0))
                }
            })
        let matched = SubmissionMatcher.search(
            for: lost.map(\.attempt).filter { findings[$0.key] == nil },
            among: reading.tasks.filter { !taken.contains($0.remoteID) },
            sending: view.submitting.filter { isListed($0.task) }.compactMap { context.lostAttempt(of: $0) },
            named: view.named, marked: marked, evidence: evidence)
        for (attempt, startedAt) in lost {
            switch matched[attempt.key] {
            case .found(let id, let trace): findings[attempt.key] = .found(id, traceID: trace)
            case .possible(let ids, let isSame): findings[attempt.key] = .possible(ids, isSame: isSame)
            case .nothing:
                findings[attempt.key] =
                    proves(absenceOf: attempt, startedAt: startedAt, by: evidence[attempt.endpoint])
                    ? .absent : .unproven
            case nil: break
            }
        }
        return findings
    }

    /// Whether a record of the list that was read may be this task's.
    private func isListed(_ task: TrackedTask) -> Bool {
        search.context.catalog.endpoint(task.endpoint)?.sharesList(with: search.profile) ?? false
    }

    /// Whether an attempt that the answer does not show was not accepted: the list was read to its end, and it shows another
    /// task of the endpoint, accepted near the attempt, exactly as it was sent.
    private func proves(absenceOf attempt: LostAttempt, startedAt: Timestamp, by evidence: ListEvidence?) -> Bool {
        guard reading.isComplete, !known.unanswered.contains(attempt.key.task), attempt.window.upperBound <= ripe
        else { return false }
        guard reading.isList else { return true }
        let context = search.context
        if let skew = reading.clockSkew, abs(skew.inSeconds) > context.limits.clockSkew.inSeconds {
            context.logger.warning(
                "The provider's clock and ours are \(Int(skew.inSeconds)) s apart, so its list of \(service) tasks proves no absence."
            )
            return false
        }
        if evidence?.hasControl(for: attempt, acceptedWithin: context.limits.controlSpan, of: startedAt) ?? false {
            return true
        }
        context.logger.info(
            """
            \(attempt.key.task) is not in the provider's list. That proves nothing, since the list shows no accepted task of \
            \(attempt.endpoint) with the members that it sent, exactly as they were sent.
            """)
        return false
    }

    /// Up to when attempts must have ended for the answer to tell of them, with room for clocks that differ.
    private var ripe: Timestamp { began + search.context.limits.clockSkew }
}
