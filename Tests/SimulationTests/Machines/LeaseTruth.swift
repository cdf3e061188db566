import Synchronization
import TaskModel
import TaskStore
import TaskTesting

/// The leases as they are in the database, and what daemons do against them.
final class LeaseTruth: Sendable {
    private struct State {
        var leases: [LeaseName: Lease] = [:]
        var violation: Violation?
        /// How many commits there were, without renewals of leases.
        var commits = 0
        /// Whether a server has taken over that may lack leases under which requests are on their way.
        var hasFailedOver = false
        /// Replies to paid requests that daemons have got.
        var replies: [(reply: LateReply, token: LeaseToken)] = []
    }

    private let state = Mutex(State())
    private let clock: SimulatedClock

    init(clock: SimulatedClock) { self.clock = clock }

    /// The database's clock.
    var now: Timestamp { clock.now() }

    /// The first violation, if any.
    var violation: Violation? { state.withLock { $0.violation } }

    /// How many commits there were, without renewals of leases.
    var commits: Int { state.withLock { $0.commits } }

    /// Notes a commit, and the leases after it.
    func note(_ call: StoreCall, _ leases: [Lease]) {
        let isRenewal = if case .write("acquire") = call { true } else { false }
        state.withLock { state in
            state.leases = Dictionary(leases.map { ($0.name, $0) }) { first, _ in first }
            if !isRenewal { state.commits += 1 }
        }
    }

    /// Notes that the leases on disk may not be those under which daemons have begun work.
    func noteFailOver() { state.withLock { $0.hasFailedOver = true } }

    func report(_ violation: Violation) { state.withLock { $0.violation = $0.violation ?? violation } }

    /// Whether that holder has the lease, and it has not expired.
    func isHeld(_ name: LeaseName, by token: LeaseToken) -> Bool {
        let now = now
        return state.withLock { $0.leases[name]?.token == token && ($0.leases[name]?.isLive(at: now) ?? false) }
    }

    /// Whether any lease of that holder has not expired.
    func isAlive(_ token: LeaseToken) -> Bool {
        let now = now
        return state.withLock { $0.leases.values.contains { $0.token == token && $0.isLive(at: now) } }
    }

    /// Notes a reply that a daemon has got. It must be recorded, whoever has the lease.
    func noteReply(_ reply: LateReply, to token: LeaseToken) { state.withLock { $0.replies.append((reply, token)) } }

    /// Removes and returns the replies to a task that this daemon has got.
    func takeReplies(to task: TaskID, by token: LeaseToken) -> [LateReply] {
        state.withLock { state in
            let replies = state.replies.filter { $0.reply.task == task && $0.token == token }
            state.replies.removeAll { $0.reply.task == task && $0.token == token }
            return replies.map(\.reply)
        }
    }

    /// The defect of a daemon that records no replies after it has lost its lease.
    func droppingReplies(by token: LeaseToken) -> TaskStore.EventTampering {
        { planned, task, _, _ in
            let name = LeaseName(ProviderAccount(provider: ProviderWords.provider, account: task.account))
            return planned.attempt == nil || self.isHeld(name, by: token) ? [planned] : []
        }
    }

    /// Checks the first byte of a paid request.
    func noteFirstByte(of account: ProviderAccount, by token: LeaseToken, for task: TaskID?) {
        guard !isHeld(LeaseName(account), by: token), !state.withLock({ $0.hasFailedOver }) else { return }
        report(
            Violation(
                .leaseCoversFirstByte, "the request of \(task?.text ?? "no task") began without the lease of \(account)"
            ))
    }
}

extension Lease {
    func isLive(at now: Timestamp) -> Bool { expiresAt.map { $0 > now } ?? true }
}

/// One database that several daemons use. It checks what is done about leases.
struct SharedDriver: DriverWrapper {
    let base: any StoreDriver
    let truth: LeaseTruth

    init(_ server: Server, truth: LeaseTruth) {
        base = ClockedDriver(server, server: { server.identity ?? $0 }) { truth.now }
        self.truth = truth
    }

    func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        let (value, leases) = try await base.write(
            for: call,
            { [truth] transaction in
                let value = try body(SharedTransaction(base: transaction, call: call, truth: truth))
                return (value, try transaction.leases())
            }, committed: { _ in })
        truth.note(call, leases)
        committed(value)
        return value
    }
}

private struct SharedTransaction: TransactionWrapper {
    let base: any StoreTransaction
    let call: StoreCall
    let truth: LeaseTruth

    func put(_ leases: [Lease]) throws {
        let known = try base.leases()
        for lease in leases {
            guard let former = known.first(where: { $0.name == lease.name }), former.token != lease.token,
                former.isLive(at: truth.now)
            else { continue }
            truth.report(
                Violation(.leaseRunsOut, "\(lease.holder) took \(lease.name.text), which \(former.holder) still had"))
        }
        try base.put(leases)
    }

    func update(_ tasks: [TaskUpdate]) throws {
        let leases = try base.leases().filter { $0.isLive(at: truth.now) }
        for update in tasks {
            let (before, after) = (update.before.task, update.task)
            switch (before.state, after.state) {
            case (.queued, .submitting):
                let name = LeaseName(ProviderAccount(provider: ProviderWords.provider, account: after.account))
                guard !leases.contains(where: { $0.name == name && $0.token == after.attempt?.lease }) else { continue }
                truth.report(Violation(.leaseDecides, "\(after.id) was started without the lease \(name.text)"))
            case (.submitting, .uncertain):
                guard case .write("endLostSubmissions") = call,
                    leases.contains(where: { $0.token == before.attempt?.lease })
                else { continue }
                truth.report(Violation(.livingIsNotLost, "\(after.id) is being sent under a lease that lasts"))
            default: break
            }
        }
        try base.update(tasks)
    }
}
