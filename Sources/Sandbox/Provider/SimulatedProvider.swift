import Foundation
import HTTPTypes
import Synchronization

/// The simulated provider: its accepted tasks, its bill, and its answers.
///
/// Requests arrive on many connections. Each takes the lock once, briefly, and returns values. There is no timer:
/// methods take the time as an argument or read it once from the settings' clock.
final class SimulatedProvider: Sendable {
    let settings: SandboxSettings
    private let state: Mutex<State>

    struct State: Sendable {
        var plan: FaultPlan
        var submits = 0
        var polls = 0
        var downloads = 0
        /// How often the file of a path has changed.
        var changes: [String: Int] = [:]
        var traces = 0
        /// In order of acceptance, which is also the order of creation.
        var entries: [LedgerEntry] = []
        var places: [TaskQuery.Key: Int] = [:]
        var callbacks: [String: [CallbackRecord]] = [:]
        var forgotten: Set<String> = []
        var revokedTokens: Set<String> = []
        var statistics = RequestStatistics()
        var pollGate = RateGate()
    }

    init(settings: SandboxSettings) {
        self.settings = settings
        state = Mutex(State(plan: settings.faults))
    }

    var now: Date { settings.clock.now() }

    // MARK: Paid submits

    /// Handles one paid submit: decides its fault, then creates and bills the task unless it is rejected.
    ///
    /// Throws the provider's errors for invalid requests. Those get no number and no fault. `origin` is where the client
    /// reaches the sandbox.
    func submit(
        _ operation: SimulatedOperation, body: JSONValue, token: String, origin: String = "http://sandbox.invalid"
    ) throws(ProviderError) -> Submission {
        try operation.check(body)
        if PromptControls(request: body).isModerated { throw .moderated }
        let owner = TaskOwner(token: token, seed: settings.seed)
        let now = now
        return try state.withLock { state throws(ProviderError) in
            state.statistics.count(.submit, at: now)
            if let limit = settings.limits.concurrentTasksPerService,
                state.unfinished(of: operation.service, owner: owner, at: now) >= limit
            {
                throw .tooManyTasks
            }
            if let member = operation.ownIDMember, let own = body[member]?.stringValue,
                state.places[.task(own)] != nil
            {
                throw .badRequest("\(member) \(own) exists already.")
            }
            state.submits += 1
            let (fault, lateBy) = state.plan.faults(submit: state.submits, seed: settings.seed)
            guard fault?.kind.acceptsTask ?? true else {
                return Submission(number: state.submits, fault: fault)
            }
            let task = SimulatedTask(
                operation, request: body, owner: owner, sequence: state.submits, at: now,
                lateBy: lateBy ?? .zero,
                resultLifetime: state.plan.resultLifetime(submit: state.submits, seed: settings.seed), origin: origin,
                seed: settings.seed, speed: settings.speed)
            state.append(LedgerEntry(task: task, reply: .init(fault)))
            return Submission(number: state.submits, fault: fault, task: task, lateBy: lateBy)
        }
    }

    // MARK: Tasks queries

    /// Counts one tasks query and returns its fault.
    ///
    /// Throws `too_many_requests` when the token exceeds the query rate.
    func receivePoll(
        _ kind: RequestStatistics.Kind, token: String
    ) throws(ProviderError) -> (number: Int, fault: FaultPlan.Fault?) {
        let now = now
        return try state.withLock { state throws(ProviderError) in
            state.statistics.count(kind, at: now)
            guard state.pollGate.admits(token, at: now, perSecond: settings.limits.pollsPerSecond) else {
                throw .tooManyRequests
            }
            state.polls += 1
            return (state.polls, state.plan.fault(poll: state.polls, seed: settings.seed))
        }
    }

    /// The reply to a tasks query. `number` only decides the order of a batch.
    ///
    /// Throws the service's error for an unknown task, if it has one.
    func answer(
        _ query: TaskQuery, service: String, token: String, number: Int
    ) throws(ProviderError) -> (status: HTTPResponse.Status, document: JSONValue) {
        let now = now
        let form = ServiceTable.form(of: service)
        let owner = TaskOwner(token: token, seed: settings.seed)
        switch query {
        case .single(let key):
            // Another user's task is unknown.
            guard let task = find([key], list: service, at: now).first(where: { $0.owner == owner }) else {
                if let unknown = form.unknown { throw unknown }
                // On most services an unknown id is not an error: 200 with an empty object.
                return (.ok, [:])
            }
            return task.lookup(at: now)
        case .batch(let keys, let page):
            var random = SeededRandom(seed: settings.seed, stream: "batch order", number: number)
            let found = find(keys, list: service, at: now).filter { $0.owner == owner }.dropFirst(page.offset)
                .prefix(page.limit)
            return (.ok, Self.batchReply(found.shuffled(using: &random), form: form, at: now))
        case .list(let window, let page):
            let (tasks, total) = state.withLock { state in
                state.newestFirst(list: service, owner: owner, window: window, page: page, at: now)
            }
            return (.ok, Self.batchReply(tasks, total: total, form: form, at: now))
        }
    }

    /// The task of another provider with this id.
    func task(_ id: String, list: String) -> SimulatedTask? {
        find([.task(id)], list: list, at: now).first
    }

    /// The tasks of another provider that the token's list shows, newest first.
    func tasks(list: String, token: String) -> [SimulatedTask] {
        let (owner, now) = (TaskOwner(token: token, seed: settings.seed), now)
        return state.withLock { state in
            state.newestFirst(
                list: list, owner: owner, window: TaskQuery.Window(), page: TaskQuery.Page(limit: .max), at: now
            ).tasks
        }
    }

    private func find(_ keys: [TaskQuery.Key], list: String, at now: Date) -> [SimulatedTask] {
        state.withLock { state in
            keys.compactMap { state.places[$0] }.map { state.entries[$0].task }
                .filter { !state.forgotten.contains($0.identity.taskID) }
        }.filter { $0.operation.list == list && $0.visibleAt <= now }
    }

    private static func batchReply(
        _ tasks: [SimulatedTask], total: Int? = nil, form: ServiceForm, at now: Date
    ) -> JSONValue {
        let items = JSONValue.array(tasks.map { $0.record(at: now) })
        return switch form.batch {
        case .byID, .none: ["items": items, "count": .integer(tasks.count)]
        case .byIDWithTotal: ["items": items, "total": .integer(tasks.count)]
        case .history: ["count": .integer(total ?? tasks.count), "items": items]
        }
    }

    /// A trace id for a reply that belongs to no task.
    func freshTraceID() -> String {
        let number = state.withLock { state in
            state.traces += 1
            return state.traces
        }
        var random = SeededRandom(seed: settings.seed, stream: "trace", number: number)
        return random.uuid()
    }

    // MARK: Results

    /// Counts one download and returns its fault, and which version of the file it gets.
    func receiveDownload(of path: String) -> (number: Int, version: Int, fault: FaultPlan.Fault?) {
        let now = now
        return state.withLock { state in
            state.statistics.count(.download, at: now)
            state.downloads += 1
            let fault = state.plan.fault(download: state.downloads, seed: settings.seed)
            if fault?.kind == .resultChanged { state.changes[path, default: 0] += 1 }
            return (state.downloads, state.changes[path] ?? 0, fault)
        }
    }

    // MARK: Callbacks

    /// The faults of the callbacks for that submit.
    func callbackFaults(submit number: Int) -> [FaultPlan.Fault] {
        state.withLock { $0.plan.faults(callbacksOf: number, seed: settings.seed) }
    }

    /// Records a completed callback.
    func note(_ record: CallbackRecord, of taskID: String) {
        state.withLock { $0.callbacks[taskID, default: []].append(record) }
    }

    /// Hides the task from look-ups and lists.
    func forget(_ taskID: String) { state.withLock { _ = $0.forgotten.insert(taskID) } }

    // MARK: Control routes

    /// Counts a request that was rejected before it was interpreted.
    func countRefused() {
        let now = now
        state.withLock { $0.statistics.count(.refused, at: now) }
    }

    /// Replaces the fault plan and keeps the counters.
    func replaceFaults(with plan: FaultPlan) { state.withLock { $0.plan = plan } }

    /// Rejects the token from now on.
    func revoke(_ token: String) { state.withLock { _ = $0.revokedTokens.insert(token) } }

    func accepts(_ token: String) -> Bool {
        if case .only(let accepted) = settings.tokens, !accepted.contains(token) { return false }
        return state.withLock { !$0.revokedTokens.contains(token) }
    }

    /// Deletes all tasks, counts and numbers, and keeps the current fault plan.
    func reset() { state.withLock { $0 = State(plan: $0.plan) } }

    var statistics: RequestStatistics { state.withLock { $0.statistics } }

    /// A snapshot of everything billed, with the counters.
    var ledger: Ledger {
        let now = now
        return state.withLock { state in
            Ledger(
                entries: state.entries, callbacks: state.callbacks, submits: state.submits, polls: state.polls,
                moment: now)
        }
    }
}

extension SimulatedProvider.State {
    fileprivate mutating func append(_ entry: LedgerEntry) {
        places[.task(entry.task.identity.taskID)] = entries.count
        places[.trace(entry.task.identity.traceID)] = entries.count
        entries.append(entry)
    }

    fileprivate func unfinished(of service: String, owner: TaskOwner, at now: Date) -> Int {
        entries.count { entry in
            entry.task.operation.service == service && entry.task.owner == owner && entry.task.finishedAt > now
        }
    }

    fileprivate func newestFirst(
        list: String, owner: TaskOwner, window: TaskQuery.Window, page: TaskQuery.Page, at now: Date
    ) -> (tasks: [SimulatedTask], total: Int) {
        let all = entries.reversed().map(\.task).filter { task in
            task.operation.list == list && task.owner == owner && task.visibleAt <= now
                && !forgotten.contains(task.identity.taskID) && window.contains(task)
        }
        return (Array(all.dropFirst(page.offset).prefix(page.limit)), all.count)
    }
}

extension SimulatedOperation {
    /// Throws `bad_request` unless the body has the operation's required fields.
    fileprivate func check(_ body: JSONValue) throws(ProviderError) {
        for alternatives in requiredFields where !alternatives.contains(where: { body[$0]?.isFilled ?? false }) {
            throw .badRequest("\(alternatives.joined(separator: " or ")) is required.")
        }
    }
}

extension JSONValue {
    /// Whether the value is not null, not an empty text and not an empty list.
    fileprivate var isFilled: Bool {
        switch self {
        case .null: false
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .bool, .number, .object: true
        }
    }
}
