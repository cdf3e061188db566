import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Searches providers for lost attempts that share a list: first by client ids, then in the provider's list.
struct LostAttemptSearch: Sendable {
    /// An attempt to search for.
    struct Target: Sendable {
        let task: TrackedTask
        let attempt: Attempt
        let endedWithDaemon: Bool

        var key: GivenUpAttempt.Key { GivenUpAttempt.Key(task: task.id, number: attempt.number) }
    }

    let store: TaskStore
    @Current var catalog: ProviderCatalog
    @Current var limits: EngineLimits
    /// Grows with every reload.
    @Current var version: Int
    let admission: AdmissionControl
    let sender: QuerySender
    let time: any TimeSource
    let logger: Logger

    /// The provider's replies and the data that evaluates them.
    struct Answer: Sendable {
        let service: ServiceName
        /// The profile of any target; all targets share its list.
        fileprivate let profile: EndpointProfile
        /// When the search began. Attempts sent later may be missing.
        let began: Timestamp
        /// The start times of attempts whose records may be in the fetched part of the list.
        let reach: ClosedRange<Timestamp>
        let known: ClientIDLookup.Outcome
        fileprivate let search: LostAttemptSearch
        fileprivate let reading: FetchedList
        fileprivate let accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]]
        /// The attempts whose callback tokens the records contain.
        fileprivate let marked: [RemoteTaskID: GivenUpAttempt.Key]

        /// Whether the whole list was read.
        var isComplete: Bool { reading.isComplete }

        /// The ids whose owners decide the findings.
        var candidates: Set<RemoteTaskID> {
            Set(reading.tasks.map(\.remoteID)).union(known.found.values.map(\.id))
        }
    }

    /// The finding about one attempt, given the owners of the records.
    enum Finding: Sendable, Equatable {
        case found(RemoteTaskID, traceID: String?)
        /// The provider knows the attempt's client id, but the id belongs to another task.
        case conflict(RemoteTaskID)
        /// These records may belong to it. `isSame` means that one is equal but cannot be assigned to it.
        case possible([RemoteTaskID], isSame: Bool)
        /// The list is complete, shows a control task, and every record in the window belongs to another attempt.
        case absent
        /// Not found, but this proves nothing.
        case unproven
    }

    /// What became of a search.
    enum Result: Sendable {
        case read(Answer)
        /// The provider answered with an error.
        case refused
        /// Nothing was learned: there was no connection, or nothing to ask for.
        case unanswered
        /// The settings or the tokens were replaced meanwhile, so the pages may be of two lists.
        case outdated

        /// What was read; nil if nothing was.
        var answer: Answer? { if case .read(let answer) = self { answer } else { nil } }
    }

    /// Queries the provider for attempts of a service that share the list of `profile`; by their client ids first, unless
    /// only the list is wanted.
    func run(
        for targets: [Target], of service: ServiceName, sharing profile: EndpointProfile, onlyInList: Bool = false
    ) async -> Result {
        let (began, version) = (time.now(), version)
        let tasks = Dictionary(targets.map { ($0.task.id, $0.task) }) { first, _ in first }
        let known = await ClientIDLookup(
            store: store, catalog: _catalog, admission: admission, sender: sender, logger: logger, service: service
        ).find(onlyInList ? [] : tasks.values.sorted { $0.id < $1.id })
        do throws(TaskStoreError) {
            let accepted = profile.listing == nil ? [:] : try await acceptedTasks(near: targets)
            guard let window = window(of: targets) else { return .unanswered }
            let reading: FetchedList
            switch await read(listOf: profile, service, for: targets, besides: known, showing: accepted, window) {
            case .read(let list): reading = list
            case .refused: return .refused
            case .unanswered: return .unanswered
            }
            // After a reload the rest may have come from another place, or for another account.
            guard version == self.version else { return .outdated }
            return .read(
                Answer(
                    service: service, profile: profile, began: began,
                    reach: reach(of: window, targets, service: service, profile), known: known, search: self,
                    reading: reading, accepted: accepted,
                    marked: try await owners(of: reading.tasks, listedWith: profile)))
        } catch {
            logger.error("Could not read accepted tasks of \(service): \(error.message)")
            return .unanswered
        }
    }

    private func window(of targets: [Target]) -> ClosedRange<Timestamp>? {
        let windows = targets.compactMap { target in
            catalog.endpoint(target.task.endpoint).map {
                window(of: target.attempt, $0, endedWithDaemon: target.endedWithDaemon)
            }
        }
        guard let from = windows.map(\.lowerBound).min(), let to = windows.map(\.upperBound).max() else { return nil }
        return from...to
    }

    /// The attempts whose callback tokens the records contain, among all tokens ever sent.
    private func owners(
        of records: [ListedTask], listedWith profile: EndpointProfile
    ) async throws(TaskStoreError) -> [RemoteTaskID: GivenUpAttempt.Key] {
        let members = Set(
            catalog.endpoints.filter { $0.sharesList(with: profile) }.compactMap(\.dialect.callbackMember))
        var owners: [RemoteTaskID: GivenUpAttempt.Key] = [:]
        for record in records {
            for member in members {
                guard let url = record.request[member]?.string,
                    let owner = try await store.owner(of: CallbackToken.digest(inURL: url))
                else { continue }
                owners[record.remoteID] = GivenUpAttempt.Key(task: owner.task.id, number: owner.attempt)
            }
        }
        return owners
    }

    /// Accepted tasks near the targets, by endpoint.
    private func acceptedTasks(
        near targets: [Target]
    ) async throws(TaskStoreError) -> [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]] {
        var accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]] = [:]
        for target in targets where accepted[target.task.endpoint] == nil {
            let near = try await store.acceptedNeighbours(
                of: target.task.id, within: limits.controlSpan * 2, limit: limits.acceptedNeighbours,
                maxBytes: limits.neighbourBytes)
            let sent = try await store.taskWithPayload(target.task.id).flatMap {
                lostAttempt(target.attempt, of: $0)
            }
            let tasks = near.compactMap { stored in lostAttempt(of: stored).map { ($0, stored) } }
            // Tasks that can serve as a control come first. The list must be read at least to the nearest of them.
            let names = sent?.request.names ?? []
            accepted[target.task.endpoint] =
                tasks.filter { names.isSubset(of: $0.0.request.names) }
                + tasks.filter { !names.isSubset(of: $0.0.request.names) }
        }
        return accepted
    }

    /// Fetches the list if it exists and is needed.
    private func read(
        listOf profile: EndpointProfile, _ service: ServiceName, for targets: [Target],
        besides known: ClientIDLookup.Outcome,
        showing accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]],
        _ window: ClosedRange<Timestamp>
    ) async -> ProviderListFetcher.Result {
        guard let list = profile.listing else {
            // No list can contradict them: what was asked for and is not known is absent.
            guard known.unanswered.count < Set(targets.map(\.task.id)).count else { return .unanswered }
            return .read(FetchedList(tasks: [], isComplete: true, isList: false))
        }
        let unread = FetchedList(tasks: [], isComplete: false, isList: false)
        if known.found.count == Set(targets.map(\.task.id)).count { return .read(unread) }
        var (from, to) = (window.lowerBound, window.upperBound)
        // The range must include a control task near the targets of each endpoint.
        for tasks in accepted.values {
            guard let nearest = tasks.first?.stored.task.submittedAt else { continue }
            from = min(from, nearest - limits.clockSkew)
            to = max(to, nearest + limits.clockSkew)
        }
        let reading = await ProviderListFetcher(
            limits: limits, admission: admission, sender: sender, time: time, logger: logger, service: service,
            profile: profile, list: list
        ).read(from: from, to: to)
        if case .read = reading { return reading }
        // What was found by its own id is found, whatever becomes of the list.
        return known.found.isEmpty ? reading : .read(unread)
    }

    /// The start times of attempts whose records may be in the window, by the clock at that time.
    private func reach(
        of window: ClosedRange<Timestamp>, _ targets: [Target], service: ServiceName, _ profile: EndpointProfile
    ) -> ClosedRange<Timestamp> {
        let longest =
            catalog.endpoints.filter { $0.name.service == service }
            .map { limits.longestTimeout(of: $0) }.max() ?? limits.longestTimeout(of: profile)
        let drift = targets.map { $0.attempt.clock.highest - $0.attempt.clock.lowest }.max() ?? .zero
        let room = limits.clockSkew + drift
        return window.lowerBound - room - longest...window.upperBound + room
    }
}

extension LostAttemptSearch.Answer {
    /// The findings about all lost attempts that share the list, including those that were not targets.
    func findings(in view: ReconciliationSnapshot) -> [GivenUpAttempt.Key: LostAttemptSearch.Finding] {
        let uncertain = view.uncertain.filter { isListed($0.task) }
        let givenUp = view.givenUp.filter { isListed($0.stored.task) }
        var lost: [(attempt: LostAttempt, startedAt: Timestamp)] = uncertain.compactMap { stored in
            guard let attempt = stored.task.attempt, let lost = search.lostAttempt(of: stored) else { return nil }
            return (lost, attempt.startedAt)
        }
        lost += givenUp.compactMap { given in
            let attempt = given.givenUp.attempt
            guard
                var lost = search.lostAttempt(
                    attempt, of: given.stored, endedWithDaemon: given.givenUp.endedWithDaemon)
            else { return nil }
            lost.isGivenUp = true
            return (lost, attempt.startedAt)
        }
        var findings: [GivenUpAttempt.Key: LostAttemptSearch.Finding] = [:]
        // Programs may reuse a client id for two tasks, but only one of them can own the remote task.
        var claimed = view.owned.union(view.named)
        for stored in uncertain {
            guard let own = known.found[stored.task.id], let attempt = stored.task.attempt else { continue }
            let isFree = claimed.insert(own.id).inserted
            findings[GivenUpAttempt.Key(task: stored.task.id, number: attempt.number)] =
                isFree ? .found(own.id, traceID: own.traceID) : .conflict(own.id)
        }
        // All attempts of a task share its client id, so an already known attempt is not a new finding.
        for given in givenUp {
            guard let own = known.found[given.stored.task.id], given.stored.task.state != .uncertain,
                claimed.insert(own.id).inserted
            else { continue }
            findings[given.givenUp.key] = .found(own.id, traceID: own.traceID)
        }
        // An attempt found by its client id needs no record, and no other attempt may take its record.
        let taken = view.owned.union(known.found.values.map(\.id))
        let evidence = evidence
        let matched = SubmissionMatcher.search(
            for: lost.map(\.attempt).filter { findings[$0.key] == nil },
            among: reading.tasks.filter { !taken.contains($0.remoteID) },
            sending: view.submitting.filter { isListed($0.task) }.compactMap { search.lostAttempt(of: $0) },
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

    /// The listed records that no task owns and that no lost attempt explains: each lost attempt explains one of those that may
    /// be its own.
    func unexplained(in view: ReconciliationSnapshot) -> [ListedTask] {
        var lost = view.uncertain.filter { isListed($0.task) }.compactMap { search.lostAttempt(of: $0) }
        lost += view.givenUp.filter { isListed($0.stored.task) }.compactMap { given in
            search.lostAttempt(
                given.givenUp.attempt, of: given.stored, endedWithDaemon: given.givenUp.endedWithDaemon)
        }
        return SubmissionMatcher.unexplained(
            by: lost,
            among: reading.tasks.filter { !view.owned.contains($0.remoteID) && marked[$0.remoteID] == nil },
            evidence: evidence)
    }

    /// Those of the records that may be of the task's latest attempt.
    func records(among records: [ListedTask], for stored: TaskWithPayload) -> [RemoteTaskID] {
        guard let attempt = search.lostAttempt(of: stored) else { return [] }
        let evidence = evidence[stored.task.endpoint]
        return records.filter { record in
            SubmissionMatcher.verdict(on: SubmissionMatcher.Record(record), for: attempt, by: evidence) != .other
        }.map(\.remoteID)
    }

    private var evidence: [EndpointName: ListEvidence] {
        Dictionary(
            uniqueKeysWithValues: accepted.compactMap { endpoint, tasks in
                search.catalog.endpoint(endpoint).map {
                    (endpoint, ListEvidence(accepted: tasks, in: reading.tasks, $0))
                }
            })
    }

    /// Whether the list shows all that was accepted in the window: it was read to its end, and the provider's clock agrees.
    var showsAll: Bool {
        reading.isComplete && abs((reading.clockSkew ?? .zero).inSeconds) <= search.limits.clockSkew.inSeconds
    }

    /// Whether the connection broke off between two pages.
    var wasCutOff: Bool { reading.wasCutOff }

    /// Whether the fetched list may contain a record of this task.
    private func isListed(_ task: TrackedTask) -> Bool {
        search.catalog.endpoint(task.endpoint)?.sharesList(with: profile) ?? false
    }

    /// Whether the search proves that the provider did not accept an attempt. The list must be complete and show a
    /// control: an accepted task of the endpoint, sent near the attempt and listed exactly as sent.
    private func proves(absenceOf attempt: LostAttempt, startedAt: Timestamp, by evidence: ListEvidence?) -> Bool {
        guard reading.isComplete, !known.unanswered.contains(attempt.key.task),
            attempt.window.upperBound <= coveredUntil
        else { return false }
        let (limits, logger) = (search.limits, search.logger)
        // Sent before the provider was moved: only a control from that time shows that the list is still the same.
        let movedAt = limits.movedAt[profile.provider].flatMap { moved in
            attempt.window.lowerBound + limits.clockSkew < moved ? moved : nil
        }
        guard reading.isList else { return movedAt == nil }
        if let skew = reading.clockSkew, abs(skew.inSeconds) > limits.clockSkew.inSeconds {
            logger.warning(
                "The clocks of the provider and this machine differ by \(Int(skew.inSeconds)) s, so its list of \(service) tasks proves no absence."
            )
            return false
        }
        if evidence?.hasControl(for: attempt, acceptedWithin: limits.controlSpan, of: startedAt, before: movedAt)
            ?? false
        {
            return true
        }
        logger.info(
            """
            \(attempt.key.task) is not in the provider's list. This proves nothing, because the list shows no accepted task of \
            \(attempt.endpoint) with the same members and unchanged values.
            """)
        return false
    }

    /// The search covers only attempts that ended before this time, with a tolerance for clock differences.
    private var coveredUntil: Timestamp { began + search.limits.clockSkew }
}
