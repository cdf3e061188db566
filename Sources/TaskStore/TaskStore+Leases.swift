package import TaskModel
import VerbatimJSON

/// Acquires and ends leases, which allow a process to start work.
///
/// A claim checks its lease in its own transaction, so no caller can forget it. A lost lease forbids starting work.
/// It never forbids recording: the reply to a sent request is a fact, even if another process holds the lease.
///
/// In a store of one process, leases do not expire: the instance lock of the next process ends them. In a shared store
/// they expire by the clock of the database, which is the same for all processes.
extension TaskStore {
    /// How long a lease lasts without renewal; nil if this process has the store to itself.
    package var leaseTerm: Duration? { driver.leaseTerm }

    /// The time of the database's clock.
    package func now() async throws(TaskStoreError) -> Timestamp { try await read("now") { try $0.now() } }

    /// Acquires the leases that are free or expired, and renews ours.
    ///
    /// In the same commit, and before it reads the clock, it stores the `fates` of exchanges that are known by then. So what is
    /// open at a process that has renewed its lease was open at that time.
    package func acquire(
        _ names: [LeaseName], at now: Timestamp, storing fates: @escaping @Sendable () -> [ExchangeFate] = { [] }
    ) async throws(TaskStoreError) -> AcquiredLeases {
        let (holder, term) = (holder, leaseTerm)
        return try await write("acquire") { transaction in
            // After a fail-over, the remaining leases show which journals are needed.
            if try term != nil && transaction.hasMoved(transaction.meta()) { throw TaskStoreError.restored }
            let stored = fates()
            try transaction.settle(stored)
            let now = try term == nil ? now : transaction.now()
            var acquired = try transaction.acquire(names, for: holder, term: term, at: now)
            acquired.fates = stored
            return acquired
        }
    }

    /// Ends our leases, so that other processes need not wait until they expire. Call it after all work has ended.
    package func releaseLeases(at now: Timestamp) async throws(TaskStoreError) {
        let holder = holder
        try await endLeases(at: now, in: "releaseLeases") { $0.token == holder.token }
    }

    /// Ends the leases of all other processes, and stores when. Call it only if none of them can be alive: while
    /// holding the instance lock of the state directory, before the first claim.
    package func endOtherLeases(at now: Timestamp) async throws(TaskStoreError) {
        let holder = holder
        try await endLeases(at: now, in: "endOtherLeases") { $0.token != holder.token }
    }

    private func endLeases(
        at now: Timestamp, in verb: String, where isEnded: @escaping @Sendable (Lease) -> Bool
    ) async throws(TaskStoreError) {
        try await write(verb) { transaction in
            let ended = try transaction.leases().filter(isEnded)
            guard !ended.isEmpty else { return }
            try transaction.end(ended, at: now)
            try transaction.noteLeaseEnds(of: ended.map(\.name), at: now)
        }
    }

    /// When the last lease of each account ended that an earlier process held.
    package func leaseEnds() async throws(TaskStoreError) -> [LeaseName: Timestamp] {
        try await read("leaseEnds") { try $0.leaseEnds() }
    }

    /// Whether this process has started the latest attempt of the task.
    package func hasStarted(_ task: TrackedTask) -> Bool { task.attempt?.lease == holder.token }

    /// Whether another process holds a lease that has not expired.
    package func hasOtherLeases(at now: Timestamp) async throws(TaskStoreError) -> Bool {
        let (holder, term) = (holder, leaseTerm)
        return try await read("otherLeases") { rows in
            let now = try term == nil ? now : rows.now()
            return try rows.leases().contains { $0.token != holder.token && $0.isLive(at: now) }
        }
    }

    /// Whether a task is being sent under a lease that has ended.
    package func hasLostSubmissions(at now: Timestamp) async throws(TaskStoreError) -> Bool {
        let (holder, term) = (holder, leaseTerm)
        return try await read("lostSubmissions", .snapshot) { rows in
            let isLost = try rows.isLost(at: term == nil ? now : rows.now(), besides: holder)
            return try rows.tasks(in: .submitting, limit: 1_000).contains(where: isLost)
        }
    }

    /// Applies an event to each task that is being sent under a lease that has ended. Its request may have been sent,
    /// and the process that sent it may never record a reply. Tasks under a live lease stay unchanged, and so do our own.
    package func endLostSubmissions(
        at now: Timestamp, with event: @escaping @Sendable (TrackedTask) -> ScheduledEvent
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await commit(.write("endLostSubmissions")) { [tampering, leaseTerm] changes in
            let transaction = changes.transaction
            // This process may have stood still since `now`, and the other one may have sent meanwhile.
            let now = try leaseTerm == nil ? now : transaction.now()
            let isLost = try transaction.isLost(at: now, besides: changes.holder)
            let lost = try transaction.open(in: .submitting).map(\.task).filter(isLost)
            let events = lost.map { PreparedEvent(event($0)) }
            try changes.load(lost.map(\.id))
            var led: [TaskChange] = []
            for event in events {
                for event in Self.tampered(
                    event, by: tampering, for: .write("endLostSubmissions"), at: now, in: changes)
                {
                    led += try changes.apply(event, at: now)
                }
            }
            return led
        }
    }
}

extension Lease {
    init(name: LeaseName, holder: LeaseHolder, expiresAt: Timestamp?) {
        self.init(name: name, holder: holder.name, token: holder.token, expiresAt: expiresAt)
    }
}

extension StoreSnapshot {
    fileprivate func leaseEnds() throws -> [LeaseName: Timestamp] {
        guard let text = try meta()[.leaseEnds] else { return [:] }
        let members = try StoredDocument.read(text).object?.members ?? []
        return Dictionary(
            members.compactMap { member in
                member.value.number.flatMap { Int64($0.digits) }.map {
                    (LeaseName(stored: member.name), Timestamp(milliseconds: $0))
                }
            }
        ) { first, _ in first }
    }

    /// Tells whether a task that is being sent is lost: the process that sends it has no live lease any more. The process
    /// `ours` knows about its own.
    fileprivate func isLost(at now: Timestamp, besides ours: LeaseHolder) throws -> (TrackedTask) -> Bool {
        let live = Set(try leases().filter { $0.isLive(at: now) }.map(\.token)).union([ours.token])
        return { task in task.attempt?.lease.map { !live.contains($0) } ?? true }
    }
}

extension StoreTransaction {
    /// Acquires the leases that are free or expired, and renews ours.
    fileprivate func acquire(
        _ names: [LeaseName], for holder: LeaseHolder, term: Duration?, at now: Timestamp
    ) throws -> AcquiredLeases {
        let leases = Dictionary(try leases().map { ($0.name, $0) }) { first, _ in first }
        let known = names.compactMap { leases[$0] }
        let held = known.filter { $0.token != holder.token && $0.isLive(at: now) }
        let heldNames = Set(held.map(\.name))
        // One that never expires needs no renewal.
        let free = names.filter { !heldNames.contains($0) && (term != nil || leases[$0]?.token != holder.token) }
        try endDeadProcesses(among: leases.values, at: now)
        if !free.isEmpty {
            try put(free.map { Lease(name: $0, holder: holder, expiresAt: term.map { now + $0 }) })
            let expired = known.filter { $0.token != holder.token && !$0.isLive(at: now) }.map(\.name)
            if !expired.isEmpty { try noteLeaseEnds(of: expired, at: now) }
        }
        return AcquiredLeases(
            held: held.map { lease in
                HeldLease(name: lease.name, holder: lease.holder, endsIn: lease.expiresAt.map { $0 - now })
            }, renewed: Set(known.filter { $0.token == holder.token && $0.isLive(at: now) }.map(\.name)))
    }

    /// Ends the leases of processes that have not renewed them, and what these processes have left.
    func endDeadProcesses(at now: Timestamp) throws { try endDeadProcesses(among: leases(), at: now) }

    private func endDeadProcesses(among leases: some Sequence<Lease>, at now: Timestamp) throws {
        try end(leases.filter { $0.name.isOfProcess && !$0.isLive(at: now) }, at: now)
    }

    /// Ends all leases except those of processes.
    func endAllWork(at now: Timestamp) throws {
        let names = try leases().map(\.name).filter { !$0.isOfProcess }
        try drop(names)
        try noteLeaseEnds(of: names, at: now)
    }

    /// Removes leases. What is open at the gateway of a process that ends its own was not delivered.
    fileprivate func end(_ leases: [Lease], at now: Timestamp) throws {
        // After a fail-over, the remaining leases show which journals are needed.
        guard try !leases.isEmpty && !hasMoved(meta()) else { return }
        for lease in leases where lease.name.isOfProcess { try endOpenExchanges(of: lease.token, at: now) }
        try drop(leases.map(\.name))
    }

    /// Stores when these leases ended.
    fileprivate func noteLeaseEnds(of names: [LeaseName], at now: Timestamp) throws {
        let names = names.filter { !$0.isOfProcess }
        guard !names.isEmpty else { return }
        var ends = try leaseEnds()
        for name in names { ends[name] = max(now, ends[name] ?? now) }
        let members = ends.sorted { $0.key.text < $1.key.text }.map { name, end in
            (name.text, JSONValue.number(JSONNumber(Int(end.milliseconds))))
        }
        try put(.leaseEnds, JSONValue.object(JSONObject(members)).text)
    }
}

extension ChangeSet {
    /// Makes sure that other processes know that this one runs, in a shared store. Without it they would take its open
    /// exchanges for undelivered.
    func keepProcessLease() throws {
        guard let leaseTerm else { return }
        let (name, now) = (LeaseName(processOf: holder.token), try transaction.now())
        guard try !transaction.leases().contains(where: { $0.name == name && $0.isLive(at: now) }) else { return }
        // Others could take what is open here for undelivered, so it is.
        try transaction.endDeadProcesses(at: now)
        try transaction.put([Lease(name: name, holder: holder, expiresAt: now + leaseTerm)])
    }

    /// Checks the lease of a claim. Throws ``TaskStoreError/leaseHeld(by:)`` if we do not have it, and
    /// ``TaskStoreError/restored`` if the database is a copy that no person has accepted.
    ///
    /// A process that has the store to itself acquires a free one here. In a shared store only ``TaskStore/acquire(_:at:)``
    /// does: its caller has to know of each time in which the process had no lease.
    func acquire(_ name: LeaseName?, at now: Timestamp) throws {
        let meta = try transaction.meta()
        guard try meta[.restored] == nil && !transaction.isOnOtherServer(meta) else { throw TaskStoreError.restored }
        // The connection may lead to a server with which this process has not compared its journal.
        if let journal, let server = try transaction.serverIdentity(), !journal.isCompared(with: server) {
            throw TaskStoreError.restored
        }
        guard let name else { throw TaskStoreError.failed("a submission was started without a lease") }
        guard leaseTerm == nil else {
            let known = try transaction.leases().first { $0.name == name }
            if let known, known.token == holder.token, known.isLive(at: try transaction.now()) { return }
            throw TaskStoreError.leaseHeld(by: known?.holder ?? "no process at this moment")
        }
        if let held = try transaction.acquire([name], for: holder, term: nil, at: now).held.first {
            throw TaskStoreError.leaseHeld(by: held.holder)
        }
    }
}
