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
        /// The account that made it.
        let account: AccountName
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

    /// The provider's replies to one account, and the data that evaluates them.
    struct Answer: Sendable {
        /// The endpoint of any target, as the searched account uses it. All targets share its list.
        let endpoint: AccountEndpoint
        /// When the search began. Attempts sent later may be missing.
        let began: Timestamp
        /// The same by the monotonic clock.
        let beganElapsed: Duration
        /// The period for which the list was read.
        let window: ClosedRange<Timestamp>
        let known: ClientIDLookup.Outcome
        let reading: FetchedList
        let accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]]
        /// The attempts whose callback tokens the records contain.
        let marked: [RemoteTaskID: GivenUpAttempt.Key]

        var account: AccountName { endpoint.account }

        /// Whether the whole list was read.
        var isComplete: Bool { reading.isComplete }

        /// Whether the account was searched for the task, and replied in full.
        func isComplete(about task: TaskID) -> Bool { isComplete && !known.unanswered.contains(task) }

        /// The ids whose owners decide the findings.
        var candidates: Set<RemoteTaskID> {
            Set(reading.tasks.map(\.remoteID)).union(known.found.values.map(\.id))
        }
    }

    /// The finding about one attempt, given the owners of the records.
    enum Finding: Sendable, Equatable {
        case found(RemoteTaskID, traceID: String?, by: AccountName)
        /// The provider knows the attempt's client id, but the id belongs to another task.
        case conflict(RemoteTaskID)
        /// These records may belong to it. `isSame` means that one is equal but cannot be assigned to it.
        case possible([RemoteTaskID], isSame: Bool)
        /// The list is complete, shows a control task, and every record in the window belongs to another attempt.
        case absent
        /// Not found, but this proves nothing.
        case unproven
    }

    /// The result of a search.
    enum Result<Found: Sendable>: Sendable {
        case read(Found)
        /// The provider replied with an error.
        case refused
        /// There was no connection, or nothing to search.
        case unanswered
        /// The settings or the tokens were replaced meanwhile, so the pages may come from two lists.
        case outdated

        /// The reply; nil if there is none.
        var answer: Found? { if case .read(let answer) = self { answer } else { nil } }
    }

    /// Searches the provider for attempts that share the endpoint's list, with the endpoint's account. It uses client
    /// ids first, unless only the list is requested. The list is read for the whole window. The caller has a token of
    /// the account's rate.
    func run(
        for targets: [Target], sharing endpoint: AccountEndpoint, in window: ClosedRange<Timestamp>, onlyInList: Bool
    ) async -> Result<Answer> {
        let (began, beganElapsed, version, profile) = (time.now(), time.elapsed(), version, endpoint.profile)
        let tasks = Dictionary(targets.map { ($0.task.id, $0.task) }) { first, _ in first }
        let known = await ClientIDLookup(
            store: store, catalog: _catalog, admission: admission, sender: sender, logger: logger, endpoint: endpoint
        ).find(onlyInList ? [] : tasks.values.sorted { $0.id < $1.id })
        do throws(TaskStoreError) {
            let accepted = profile.listing == nil ? [:] : try await acceptedTasks(near: targets, of: endpoint.account)
            let reading: FetchedList
            switch await read(listOf: endpoint, for: targets, besides: known, showing: accepted, window) {
            case .read(let list): reading = list
            case .refused: return .refused
            case .unanswered: return .unanswered
            }
            // After a reload, the rest may have come from another base URL or another account.
            guard version == self.version else { return .outdated }
            return .read(
                Answer(
                    endpoint: endpoint, began: began, beganElapsed: beganElapsed, window: window, known: known,
                    reading: reading, accepted: accepted,
                    marked: try await owners(of: reading.tasks, listedWith: profile)))
        } catch {
            logger.error("Could not read accepted tasks of \(endpoint.service): \(error.message)")
            return .unanswered
        }
    }

    /// The period in which the attempts may have reached the provider; nil if their endpoints are gone.
    func window(of targets: [Target]) -> ClosedRange<Timestamp>? {
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

    /// Accepted tasks near the targets, by endpoint; those of the account first.
    private func acceptedTasks(
        near targets: [Target], of account: AccountName
    ) async throws(TaskStoreError) -> [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]] {
        var accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]] = [:]
        for target in targets where accepted[target.task.endpoint] == nil {
            let near = try await store.acceptedNeighbours(
                of: target.task.id, by: account, within: limits.controlSpan * 2, limit: limits.acceptedNeighbours,
                maxBytes: limits.neighbourBytes)
            let sent = try await store.taskWithPayload(target.task.id, .nulls).flatMap {
                lostAttempt(target.attempt, of: $0, by: target.account)
            }
            let tasks = near.compactMap { stored in lostAttempt(of: stored).map { ($0, stored) } }
            // Tasks that can serve as a control come first. The list must be read at least to the nearest of them.
            let names = sent?.request.names ?? []
            func mayControl(_ task: (LostAttempt, TaskWithPayload)) -> Bool {
                task.1.task.account == account && names.isSubset(of: task.0.request.names)
            }
            accepted[target.task.endpoint] = tasks.filter(mayControl) + tasks.filter { !mayControl($0) }
        }
        return accepted
    }

    /// Fetches the list if it exists and is needed.
    private func read(
        listOf endpoint: AccountEndpoint, for targets: [Target],
        besides known: ClientIDLookup.Outcome,
        showing accepted: [EndpointName: [(attempt: LostAttempt, stored: TaskWithPayload)]],
        _ window: ClosedRange<Timestamp>
    ) async -> ProviderListFetcher.Result {
        guard let list = endpoint.profile.listing else {
            // There is no list that could contradict the look-ups, so an unknown client id means absence.
            guard known.unanswered.count < Set(targets.map(\.task.id)).count else { return .unanswered }
            return .read(FetchedList(tasks: [], isComplete: true, isList: false))
        }
        let unread = FetchedList(tasks: [], isComplete: false, isList: false)
        if known.found.count == Set(targets.map(\.task.id)).count { return .read(unread) }
        var (from, to) = (window.lowerBound, window.upperBound)
        // The range must include a control task near the targets of each endpoint.
        for tasks in accepted.values {
            guard
                let nearest = tasks.first(where: { $0.stored.task.account == endpoint.account })?.stored.task
                    .submittedAt
            else { continue }
            from = min(from, nearest - limits.clockSkew)
            to = max(to, nearest + limits.clockSkew)
        }
        let reading = await ProviderListFetcher(
            limits: limits, admission: admission, sender: sender, time: time, logger: logger, endpoint: endpoint,
            list: list
        ).read(from: from, to: to)
        if case .read = reading { return reading }
        // A record found by its own id counts even if the list cannot be read.
        return known.found.isEmpty ? reading : .read(unread)
    }

    /// The start times of attempts whose records may be in the window, by the clock at that time.
    func reach(
        of window: ClosedRange<Timestamp>, _ targets: [Target], _ profile: EndpointProfile
    ) -> ClosedRange<Timestamp> {
        let longest =
            catalog.endpoints.filter { $0.name.service == profile.name.service }
            .map { limits.longestTimeout(of: $0) }.max() ?? limits.longestTimeout(of: profile)
        let drift = targets.map { $0.attempt.clock.highest - $0.attempt.clock.lowest }.max() ?? .zero
        let room = limits.clockSkew + drift
        return window.lowerBound - room - longest...window.upperBound + room
    }
}
