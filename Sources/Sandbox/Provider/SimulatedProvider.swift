import Foundation
import HTTPTypes
import Synchronization

/// The provider itself: what it accepted, what it billed, and what it shows of it.
///
/// Requests come in on many connections; each takes the lock once, for a few synchronous lines, and leaves with
/// values. No clock runs inside: every method is told the moment, or reads it once from the settings' clock.
final class SimulatedProvider: Sendable {
    let settings: SandboxSettings
    private let state: Mutex<State>

    struct State: Sendable {
        var plan: FaultPlan
        var submits = 0
        var polls = 0
        var traces = 0
        /// In the order of their acceptance, so also of their creation.
        var entries: [LedgerEntry] = []
        var places: [TaskQuery.Key: Int] = [:]
        var callbacks: [String: [CallbackRecord]] = [:]
        var forgotten: Set<String> = []
        var statistics = RequestStatistics()
        var pollGate = RateGate()
    }

    init(settings: SandboxSettings) {
        self.settings = settings
        state = Mutex(State(plan: settings.faults))
    }

    var now: Date { settings.clock.now() }

    // MARK: Paid submits

    /// Takes one paid submit: decides its fault, and makes and bills the task unless it is refused.
    ///
    /// Throws the provider's own refusals of the request itself; those have no number and strike no fault.
    func submit(
        _ operation: SimulatedOperation, body: JSONValue, token: String
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
            let (strike, lateBy) = state.plan.strikes(submit: state.submits, seed: settings.seed)
            guard strike?.kind.acceptsTask ?? true else {
                return Submission(number: state.submits, strike: strike)
            }
            let task = SimulatedTask(
                operation, request: body, owner: owner, sequence: state.submits, at: now,
                lateBy: lateBy ?? .zero, seed: settings.seed, speed: settings.speed)
            state.append(LedgerEntry(task: task, reply: .init(strike)))
            return Submission(number: state.submits, strike: strike, task: task, lateBy: lateBy)
        }
    }

    // MARK: Tasks queries

    /// Counts one tasks query and says what is to go wrong with it.
    ///
    /// Throws `too_many_requests` when the token asks more often than the limit allows.
    func receivePoll(
        _ kind: RequestStatistics.Kind, token: String
    ) throws(ProviderError) -> (number: Int, strike: FaultPlan.Strike?) {
        let now = now
        return try state.withLock { state throws(ProviderError) in
            state.statistics.count(kind, at: now)
            guard state.pollGate.admits(token, at: now, perSecond: settings.limits.pollsPerSecond) else {
                throw .tooManyRequests
            }
            state.polls += 1
            return (state.polls, state.plan.strike(poll: state.polls, seed: settings.seed))
        }
    }

    /// What a tasks query is told; `number` only decides in which order a batch comes.
    ///
    /// Throws the service's own words for a task that it does not know, where it has any.
    func answer(
        _ query: TaskQuery, service: String, token: String, number: Int
    ) throws(ProviderError) -> (status: HTTPResponse.Status, document: JSONValue) {
        let now = now
        let form = ServiceTable.form(of: service)
        switch query {
        case .single(let key):
            guard let task = find([key], service: service, at: now).first else {
                if let unknown = form.unknown { throw unknown }
                // An unknown id is no error on most services: 200 with an empty object.
                return (.ok, [:])
            }
            return task.lookup(at: now)
        case .batch(let keys, let page):
            var random = SeededRandom(seed: settings.seed, stream: "batch order", number: number)
            let found = find(keys, service: service, at: now).dropFirst(page.offset).prefix(page.limit)
            return (.ok, Self.batchReply(found.shuffled(using: &random), form: form, at: now))
        case .list(let window, let page):
            let owner = TaskOwner(token: token, seed: settings.seed)
            let (tasks, total) = state.withLock { state in
                state.newestFirst(service: service, owner: owner, window: window, page: page, at: now)
            }
            return (.ok, Self.batchReply(tasks, total: total, form: form, at: now))
        }
    }

    /// The task of another provider's that has this id.
    func task(_ id: String, service: String) -> SimulatedTask? {
        find([.task(id)], service: service, at: now).first
    }

    private func find(_ keys: [TaskQuery.Key], service: String, at now: Date) -> [SimulatedTask] {
        state.withLock { state in
            keys.compactMap { state.places[$0] }.map { state.entries[$0].task }
                .filter { !state.forgotten.contains($0.identity.taskID) }
        }.filter { $0.operation.service == service && $0.visibleAt <= now }
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

    /// A trace id for an answer that belongs to no task.
    func freshTraceID() -> String {
        let number = state.withLock { state in
            state.traces += 1
            return state.traces
        }
        var random = SeededRandom(seed: settings.seed, stream: "trace", number: number)
        return random.uuid()
    }

    // MARK: Callbacks

    /// What goes wrong with the calls for that submit.
    func callbackStrikes(submit number: Int) -> [FaultPlan.Strike] {
        state.withLock { $0.plan.strikes(callbacksOf: number, seed: settings.seed) }
    }

    /// A call was made.
    func note(_ record: CallbackRecord, of taskID: String) {
        state.withLock { $0.callbacks[taskID, default: []].append(record) }
    }

    /// Look-ups and lists know the task no more.
    func forget(_ taskID: String) { state.withLock { _ = $0.forgotten.insert(taskID) } }

    // MARK: For tests and people

    /// Counts a request that was refused before it meant anything.
    func countRefused() {
        let now = now
        state.withLock { $0.statistics.count(.refused, at: now) }
    }

    /// Replaces the fault plan; counters go on.
    func replaceFaults(with plan: FaultPlan) { state.withLock { $0.plan = plan } }

    /// Forgets every task, count and number; the fault plan in force stays.
    func reset() { state.withLock { $0 = State(plan: $0.plan) } }

    var statistics: RequestStatistics { state.withLock { $0.statistics } }

    /// Everything billed so far, with the counters, as of one moment.
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
        service: String, owner: TaskOwner, window: TaskQuery.Window, page: TaskQuery.Page, at now: Date
    ) -> (tasks: [SimulatedTask], total: Int) {
        let all = entries.reversed().map(\.task).filter { task in
            task.operation.service == service && task.owner == owner && task.visibleAt <= now
                && !forgotten.contains(task.identity.taskID) && window.contains(task)
        }
        return (Array(all.dropFirst(page.offset).prefix(page.limit)), all.count)
    }
}

extension SimulatedOperation {
    /// Throws `bad_request` unless the body carries what the operation needs.
    fileprivate func check(_ body: JSONValue) throws(ProviderError) {
        for alternatives in requiredFields where !alternatives.contains(where: { body[$0]?.isFilled ?? false }) {
            throw .badRequest("\(alternatives.joined(separator: " or ")) is required.")
        }
    }
}

extension JSONValue {
    /// Neither null nor empty text nor an empty list.
    fileprivate var isFilled: Bool {
        switch self {
        case .null: false
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .bool, .number, .object: true
        }
    }
}
