package import TaskModel
import VerbatimJSON

/// Acquires and ends leases, which allow a process to start work.
///
/// A claim acquires its lease in its own transaction, so no caller can forget it. A lost lease forbids starting work.
/// It never forbids recording: the reply to a sent request is a fact, even if another process holds the lease.
extension TaskStore {
    /// Acquires the leases that are free, expired or already ours; returns those that another process holds.
    package func acquire(_ names: [LeaseName], at now: Timestamp) async throws(TaskStoreError) -> [Lease] {
        let holder = holder
        return try await write("acquire") { transaction in
            let leases = Dictionary(try transaction.leases().map { ($0.name, $0) }) { first, _ in first }
            let held = names.compactMap { leases[$0] }.filter { $0.token != holder.token && $0.isLive(at: now) }
            let free = names.filter { name in leases[name]?.token != holder.token && !held.contains { $0.name == name }
            }
            if !free.isEmpty { try transaction.put(free.map { Lease(name: $0, holder: holder) }) }
            return held
        }
    }

    /// Ends the leases of all other processes, and stores when. Call it only if none of them can be alive: while
    /// holding the instance lock of the state directory, before the first claim.
    package func endOtherLeases(at now: Timestamp) async throws(TaskStoreError) {
        let holder = holder
        try await write("endOtherLeases") { transaction in
            let others = try transaction.leases().filter { $0.token != holder.token }.map(\.name)
            guard !others.isEmpty else { return }
            try transaction.drop(others)
            var ends = try Self.leaseEnds(in: transaction)
            for name in others { ends[name] = max(now, ends[name] ?? now) }
            let members = ends.sorted { $0.key.text < $1.key.text }.map { name, end in
                (name.text, JSONValue.number(JSONNumber(Int(end.milliseconds))))
            }
            try transaction.put(.leaseEnds, JSONValue.object(JSONObject(members)).text)
        }
    }

    /// When the last lease of each account ended that an earlier process held.
    package func leaseEnds() async throws(TaskStoreError) -> [LeaseName: Timestamp] {
        try await read("leaseEnds") { try Self.leaseEnds(in: $0) }
    }

    private static func leaseEnds(in rows: any StoreSnapshot) throws -> [LeaseName: Timestamp] {
        guard let text = try rows.meta()[.leaseEnds] else { return [:] }
        let members = try StoredDocument.read(text).object?.members ?? []
        return Dictionary(
            members.compactMap { member in
                member.value.number.flatMap { Int64($0.digits) }.map {
                    (LeaseName(stored: member.name), Timestamp(milliseconds: $0))
                }
            }
        ) { first, _ in first }
    }

    /// Applies an event to each task that is being sent under a lease that has ended. Its request may have been sent,
    /// and the process that sent it records no reply. Tasks under a live lease stay unchanged.
    package func endLostSubmissions(
        at now: Timestamp, with event: @escaping @Sendable (TrackedTask) -> ScheduledEvent
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await commit(.write("endLostSubmissions")) { [tampering] changes in
            let live = Set(try changes.transaction.leases().filter { $0.isLive(at: now) }.map(\.token))
            let lost = try changes.transaction.open(in: .submitting).map(\.task).filter { task in
                task.attempt?.lease.map { !live.contains($0) } ?? true
            }
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
    /// A lease that this process acquires. On SQLite it never expires: the instance lock of the next process ends it, so an
    /// idle daemon renews nothing.
    init(name: LeaseName, holder: LeaseHolder) {
        self.init(name: name, holder: holder.name, token: holder.token, expiresAt: nil)
    }
}

extension ChangeSet {
    /// Acquires the lease for a claim. Throws ``TaskStoreError/leaseHeld(by:)`` if another live process has it, and
    /// ``TaskStoreError/restored`` if the database is a copy that no person has accepted.
    func acquire(_ name: LeaseName?, at now: Timestamp) throws {
        guard try transaction.meta()[.restored] == nil else { throw TaskStoreError.restored }
        guard let name else { throw TaskStoreError.failed("a submission was started without a lease") }
        if let lease = try transaction.leases().first(where: { $0.name == name }) {
            if lease.token == holder.token { return }
            if lease.isLive(at: now) { throw TaskStoreError.leaseHeld(by: lease.holder) }
        }
        try transaction.put([Lease(name: name, holder: holder)])
    }
}
