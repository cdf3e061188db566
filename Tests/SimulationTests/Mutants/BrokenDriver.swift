import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

/// The real database with one defect: in the rows that transactions see, in the effect of their writes, or in the
/// applied events.
struct BrokenDriver: DriverWrapper {
    /// The defect.
    enum Fault: Sendable {
        /// Reports the start of an attempt as stored without writing it.
        case forgetsIntent
        /// Reports a task as stored without writing it.
        case losesAccepted
        /// Ignores idempotency keys.
        case ignoresKeys
        /// Counts no task as in flight.
        case seesNoneInFlight
        /// Queues the attempts of a dead daemon again.
        case resendsAfterCrash
        /// Resubmits a task that waits for a person.
        case resendsHeld
        /// Gives up a task after one absent reading.
        case believesFirstReading
        /// Never continues a postponed task.
        case forgetsPutOff
        /// Reports a stored task as not stored.
        case reportsStoredAsFull
        /// Finds no lost submission in a list.
        case findsNothing
        /// Treats a listed record as absent if the policy resubmits.
        case overlooksListed
        /// Ignores a record that may be the task's.
        case excludesPossible
        /// Assigns a record that a person tracks to its own task.
        case trustsTracked
        /// Accepts any task of the service as control.
        case mixesControls
        /// Treats every member of other programs' requests as a default.
        case explainsEverything
        /// Resubmits without another reading.
        case skipsLastLook
        /// Drops a late reply.
        case dropsLateReplies
        /// Ignores a late record.
        case ignoresLateRecords
        /// Reports the results of a success as stored without writing them.
        case dropsResults
        /// Stores the results of another task instead of the task's own.
        case confusesResults
        /// Takes every request of a program that equals an earlier one for its retry.
        case joinsEagerly
        /// Takes no request of a program for a retry.
        case joinsNothing
        /// Does not note that a program has its reply.
        case forgetsReceived
        /// Keeps an exchange that was claimed.
        case keepsClaimed
        /// Skips the first stored line that a stream reads.
        case skipsStoredLines
        /// Reads the line before the place of a stream again.
        case repeatsStoredLines
        /// Takes no call of an agent for a repeated one.
        case forgetsCalls
        /// Forgets which ends an agent was shown.
        case forgetsShownEnds
        /// Accepts a callback as outcome.
        case believesCallbacks
        /// Accepts any callback token.
        case believesAnyToken
        /// Reports a delivery as stored without writing it.
        case dropsDeliveries
        /// Ignores leases in a claim.
        case ignoresLeases
        /// Ignores unsettled attempts when it removes details.
        case sweepsUnsettled
        /// Ignores attempts without a record when it removes tasks without details.
        case sweepsOwners
        /// Takes the leases of others for its own when it claims work.
        case presumesLeases
        /// Takes leases of others for expired.
        case takesOverEarly
        /// Takes open exchanges at other machines for its own.
        case overlooksOpenElsewhere
        /// Takes other machines for dead that have open exchanges.
        case endsOpenElsewhere
        /// Takes each server for the first one.
        case overlooksFailOver
        /// Takes the journals of all machines for compared.
        case awaitsNoJournal
        /// Takes leases of others to last a minute longer.
        case overratesLeases
        /// Ignores leases when it declares attempts lost.
        case presumesAllDead
        /// Knows only what its first account owns, when it matches the records of a list.
        case forgetsOtherAccounts
        /// Knows no owner of a record when it compares lists with tasks.
        case adoptsOwned
        /// Treats an attempt as absent although an account gave no reply.
        case acceptsPartialAnswers
        /// Writes the reservation of an attempt with the next write.
        case reservesLate
        /// Writes what budgets count with the next write.
        case countsLate
        /// Remembers what its budgets count, and does not read it again.
        case remembersMeters
        /// Writes nothing when a task has ended.
        case forgetsToSettle
        /// Takes every task for approved.
        case approvesAll
        /// Finds no held task.
        case keepsHolding
    }

    /// What is written with the next write.
    private let postponed = Postponed()

    fileprivate final class Postponed: Sendable {
        let entries = Mutex<[LedgerEntry]>([])
        let meters = Mutex<[BudgetMeter]>([])
        /// What this daemon remembers.
        let remembered = Mutex<[BudgetMeter]>([])
        /// The token of our leases, once we have any.
        let token = Mutex<LeaseToken?>(nil)

        /// Writes it, and leaves nothing.
        func write(in transaction: any StoreTransaction) throws {
            try transaction.append(
                entries.withLock { entries in
                    defer { entries = [] }
                    return entries
                })
            let late = meters.withLock { meters in
                defer { meters = [] }
                return meters
            }
            for meter in late { try transaction.put(meter) }
        }
    }

    init(fault: Fault, base: any StoreDriver) {
        self.fault = fault
        self.base = base
    }

    let fault: Fault
    let base: any StoreDriver

    func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        let value: Value
        switch (fault, call) {
        case (.forgetsIntent, .apply(let events)) where events.map(\.kind) == ["submission_started"],
            (.dropsDeliveries, .apply(let events)) where events.map(\.kind).contains("called_back"):
            value = try await pretend(call, body)
        case (.losesAccepted, .insert(let ids)) where ids.contains { $0.text.hasSuffix("0") }:
            value = try await pretend(call, body)
        case (.reportsStoredAsFull, .insert(let ids)) where ids.contains { $0.text.hasSuffix("0") }:
            _ = try await base.write(for: call, body, committed: { _ in })
            throw .full
        default:
            let (fault, postponed) = (fault, postponed)
            value = try await base.write(
                for: call,
                { transaction in
                    try postponed.write(in: transaction)
                    return try body(
                        BrokenTransaction(fault: fault, call: call, base: transaction, postponed: postponed))
                }, committed: { _ in })
        }
        committed(value)
        return value
    }

    /// Returns the value of a write and rolls it back.
    private func pretend<Value: Sendable>(
        _ call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        let outcome = Outcome<Value>()
        do throws(TaskStoreError) {
            _ = try await base.write(
                for: call,
                { transaction -> Value in
                    outcome.value.withLock { $0 = nil }
                    let value = try body(transaction)
                    outcome.value.withLock { $0 = value }
                    throw Undone()
                }, committed: { _ in })
        } catch {
            guard let value = outcome.value.withLock({ $0 }) else { throw error }
            return value
        }
        throw .failed("a write that was rolled back is stored")
    }

    /// Rolls a write back.
    private struct Undone: Error {}

    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot {
        BrokenSnapshot(fault: fault, call: call, reading: rows)
    }
}

/// The rows that a read of the broken store sees.
private struct BrokenSnapshot: SnapshotWrapper {
    let fault: BrokenDriver.Fault
    let call: StoreCall
    let reading: any StoreSnapshot

    func serverIdentity() throws -> String? { try fault.server(reading.serverIdentity()) }

    func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow] {
        let known = try reading.tokens(digests)
        guard case .believesAnyToken = fault, known.isEmpty, let digest = digests.first else { return known }
        return try reading.tasks(in: .running, limit: 1).map {
            TokenRow(digest: digest, owner: CallbackOwner(task: $0, attempt: 1, deliveries: 0, hadFinal: false))
        }
    }

    func lines(
        matching filter: EventFilter, after: Int64, through: Int64, limit: Int, maxBytes: Int
    ) throws -> [TaskLine] {
        var start = after
        if case .skipsStoredLines = fault { start += 1 }
        if case .repeatsStoredLines = fault { start -= 1 }
        return try reading.lines(
            matching: filter, after: start, through: through, limit: limit, maxBytes: maxBytes)
    }

    func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow] {
        if case .skipsLastLook = fault, case .of = query { return [] }
        return try reading.givenUp(query)
    }

    func neighbours(
        of row: TaskRow, by account: AccountName, submittedIn period: ClosedRange<Timestamp>
    ) throws -> [TrackedTask] {
        let near = try reading.neighbours(of: row, by: account, submittedIn: period)
        guard case .mixesControls = fault else { return near }
        return try near
            + [TaskState.running, .succeeded].flatMap { try reading.tasks(in: $0, limit: 10) }
            .filter(\.wasSeenAccepted)
    }

    func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts] {
        let texts = try reading.texts(of: ids, scope)
        guard case .explainsEverything = fault, case .upTo = scope else { return texts }
        return try texts.map { text in
            var request = try StoredDocument.read(text.request).object ?? JSONObject()
            request["mode"] = "turbo"
            let response: JSONValue = ["id": "any", "request": .object(request)]
            return TaskTexts(
                key: text.key, task: text.task, request: text.request, response: response.text, bytes: text.bytes)
        }
    }

    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        if case .adoptsOwned = fault, case .read("inventory") = call { return [] }
        return try reading.holders(of: ids, service: service)
    }

    func held(
        by share: BudgetShare, upTo micros: Int64, limit: Int
    ) throws -> [(hold: BudgetHold, dueAt: Timestamp)] {
        if case .keepsHolding = fault { return [] }
        return try reading.held(by: share, upTo: micros, limit: limit)
    }

    func counts() throws -> [TaskCount] {
        let counts = try reading.counts()
        guard case .seesNoneInFlight = fault else { return counts }
        return counts.filter { $0.state != .submitting && $0.state != .running }
    }
}

/// The rows that a write of the broken store sees, and its changes.
private struct BrokenTransaction: TransactionWrapper {
    let fault: BrokenDriver.Fault
    let call: StoreCall
    let base: any StoreTransaction
    let postponed: BrokenDriver.Postponed

    func serverIdentity() throws -> String? { try fault.server(base.serverIdentity()) }

    func put(_ name: MetaName, _ value: String) throws {
        guard case .awaitsNoJournal = fault, name == .restored, var mode = try? RestoredMode(text: value) else {
            return try base.put(name, value)
        }
        mode.journals = mode.journals.map { JournalWait(awaited: [], until: min($0.until, Timestamp(milliseconds: 0))) }
        try base.put(name, mode.text)
    }

    func append(_ entries: [LedgerEntry]) throws {
        switch fault {
        case .reservesLate where entries.allSatisfy({ $0.kind == .reserve }):
            postponed.entries.withLock { $0 += entries }
        case .forgetsToSettle: try base.append(entries.filter { $0.kind != .settle })
        default: try base.append(entries)
        }
    }

    func put(_ meter: BudgetMeter) throws {
        guard case .countsLate = fault else {
            postponed.remembered.withLock { $0.append(meter) }
            return try base.put(meter)
        }
        postponed.meters.withLock { $0.append(meter) }
    }

    func meter(of budget: String, share: String, from start: Timestamp) throws -> BudgetMeter? {
        let stored = try base.meter(of: budget, share: share, from: start)
        guard case .remembersMeters = fault else { return stored }
        return postponed.remembered.withLock { meters in
            meters.last { $0.budget == budget && $0.share == share && $0.periodStart == start }
        } ?? stored
    }

    func approval(of key: Int64) throws -> BudgetApproval? {
        guard case .approvesAll = fault else { return try base.approval(of: key) }
        return BudgetApproval(approvedAt: Timestamp(milliseconds: 0))
    }

    func put(_ approval: BudgetApproval, of key: Int64) throws {
        if case .approvesAll = fault { return }
        try base.put(approval, of: key)
    }

    func keys(_ keys: [String]) throws -> [KeyRow] {
        if case .ignoresKeys = fault { return [] }
        return try base.keys(keys)
    }

    func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow] {
        switch (fault, call) {
        case (.sweepsUnsettled, .write("sweep")), (.sweepsUnsettled, .write("removeDetails")): return []
        case (.sweepsOwners, .write("sweep")):
            if case .begun = query { return [] }
            return try base.givenUp(query)
        default: return try base.givenUp(query)
        }
    }

    func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask] {
        if case .sweepsOwners = fault, case .write("sweep") = call { return [] }
        return try base.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
    }

    func exchanges(with contentKey: [UInt8]) throws -> [Exchange] {
        let exchanges = try base.exchanges(with: contentKey)
        switch fault {
        case .joinsNothing: return []
        case .overlooksOpenElsewhere:
            let ours = postponed.token.withLock { $0 }.map { UInt64($0.exchangeHalf) << 32 } ?? 0
            return exchanges.map {
                Exchange(
                    number: $0.number, task: $0.task, mark: Int64(bitPattern: ours), fate: $0.fate, since: $0.since,
                    isOver: $0.isOver)
            }
        case .joinsEagerly:
            return exchanges.map { Exchange(number: $0.number, task: $0.task, fate: .undelivered, since: $0.since) }
        default: return exchanges
        }
    }

    func settle(_ fates: [ExchangeFate]) throws {
        guard case .forgetsReceived = fault else { return try base.settle(fates) }
        try base.settle(
            fates.map { fate in
                guard fate.fate == .received else { return fate }
                return ExchangeFate(mark: fate.mark, contentKey: fate.contentKey, fate: .delivered, at: fate.at)
            })
    }

    func joinable(with contentKey: [UInt8]) throws -> [JoinableSubmission] {
        let submissions = try base.joinable(with: contentKey)
        switch fault {
        case .forgetsCalls: return []
        case .forgetsShownEnds:
            return submissions.map { JoinableSubmission(key: $0.key, task: $0.task, collectedEnd: nil) }
        default: return submissions
        }
    }

    func drop(_ exchange: Exchange) throws {
        if case .keepsClaimed = fault { return }
        try base.drop(exchange)
    }

    func insert(_ keys: [NewKey]) throws {
        if case .ignoresKeys = fault { return }
        try base.insert(keys)
    }

    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        let holders = try base.holders(of: ids, service: service)
        if case .adoptsOwned = fault, case .insert = call { return [] }
        if case .forgetsOtherAccounts = fault, case .write("settle") = call {
            let first = AccountName(stored: "first")
            return try holders.filter { try base.tasks([$0.task]).first?.task.account == first }
        }
        guard case .trustsTracked = fault, case .write("settle") = call else { return holders }
        return holders.map {
            RemoteIDHolder(
                remoteID: $0.remoteID, task: $0.task, isAttempt: $0.isAttempt, state: $0.state,
                attempts: max($0.attempts, 1), failureCode: $0.failureCode, resolution: nil)
        }
    }

    func leases() throws -> [Lease] {
        switch (fault, call) {
        case (.ignoresLeases, .apply), (.ignoresLeases, .write("settle")),
            (.presumesAllDead, .write("endLostSubmissions")):
            return []
        case (.presumesLeases, .apply), (.presumesLeases, .write("settle")):
            guard let ours = postponed.token.withLock({ $0 }) else { return try base.leases() }
            return try base.leases().map { lease in
                Lease(
                    name: lease.name, holder: lease.holder, token: ours,
                    expiresAt: lease.expiresAt.map { $0 + .seconds(3_600) })
            }
        case (.endsOpenElsewhere, .insert):
            let ours = postponed.token.withLock { $0 }
            return try base.leases().map { $0.token == ours ? $0 : $0.lasting(.seconds(-15)) }
        case (.takesOverEarly, .write("acquire")): return try base.leases().map { $0.lasting(.seconds(-15)) }
        case (.overratesLeases, .write("acquire")):
            let ours = postponed.token.withLock { $0 }
            return try base.leases().map { $0.token == ours ? $0 : $0.lasting(.seconds(60)) }
        default: return try base.leases()
        }
    }

    func put(_ leases: [Lease]) throws {
        postponed.token.withLock { $0 = leases.first?.token ?? $0 }
        try base.put(leases)
    }

    func put(_ results: [TaskResults]) throws {
        switch fault {
        case .dropsResults: return
        case .confusesResults:
            // The results of an earlier success, if any.
            let earlier = try base.results(of: results.flatMap { 1..<$0.key }).first { !$0.rows.isEmpty }
            try base.put(results.map { TaskResults(key: $0.key, rows: earlier?.rows ?? $0.rows) })
        default: try base.put(results)
        }
    }

    func setDue(_ ids: [TaskID], at time: Timestamp) throws {
        if case .forgetsPutOff = fault { return try base.setDue(ids, at: time + .seconds(1_000_000_000)) }
        try base.setDue(ids, at: time)
    }
}

extension Lease {
    /// The same with another end.
    fileprivate func lasting(_ longer: Duration) -> Lease {
        Lease(name: name, holder: holder, token: token, expiresAt: expiresAt.map { $0 + longer })
    }
}

extension BrokenDriver.Fault {
    /// The events that the broken store applies instead of one.
    func events(
        for planned: ScheduledEvent, to task: TrackedTask, in call: StoreCall, at now: Timestamp
    ) -> [ScheduledEvent] {
        if case .write("settle") = call { return settled(planned, of: task, at: now).map { [$0] } ?? [] }
        return applied(planned, to: task, at: now)
    }

    private func applied(_ planned: ScheduledEvent, to task: TrackedTask, at now: Timestamp) -> [ScheduledEvent] {
        switch (self, planned.event) {
        case (.dropsLateReplies, _):
            guard let attempt = planned.attempt, task.state != .submitting || attempt < task.attempts else { break }
            return []
        // Without a callback token, because the engine's token is not known here.
        case (.skipsLastLook, .lookupUndecided) where task.state == .queued && task.attempt?.callback == nil:
            return [
                ScheduledEvent(
                    .submissionStarted(), for: planned.task,
                    under: LeaseName(ProviderAccount(provider: ProviderWords.provider)),
                    nextDueAt: now + .seconds(60))
            ]
        // The callback is applied like a poll.
        case (.believesCallbacks, .calledBack(let delivery)):
            guard let observation = delivery.observation, delivery.isFinal else { break }
            return [planned, planned.replacing(event: .observed(observation))]
        case (.resendsAfterCrash, .submissionInterrupted(let failure, _)) where failure.code == "daemon_stopped":
            return [planned.replacing(event: .submissionNotAccepted(failure))]
        default: break
        }
        return [planned]
    }

    /// Returns nil if the event is dropped.
    private func settled(_ planned: ScheduledEvent, of task: TrackedTask, at now: Timestamp) -> ScheduledEvent? {
        let mayResend = task.state == .uncertain && task.onUncertain == .resubmitIfAbsent
        let isProven =
            task.attempt.map { $0.absentReadings >= 2 && now - ($0.firstAbsentAt ?? now) >= .seconds(120) } ?? false
        let absent = planned.replacing(
            event: isProven ? .resubmitted(.resubmittedByPolicy) : .absentFromList)
        switch (self, planned.event) {
        case (.ignoresLateRecords, .turnedUp): return nil
        case (.excludesPossible, .lookupUndecided(let possible))
        where mayResend && !possible.isEmpty && task.callbacks.count == 0:
            return absent
        case (.acceptsPartialAnswers, .lookupUndecided(let possible))
        where mayResend && possible.isEmpty && task.attempts > 1 && task.callbacks.count == 0:
            return planned.replacing(event: .resubmitted(.resubmittedByPolicy))
        case (.overlooksListed, .foundInList) where mayResend && task.attempt != nil: return absent
        case (.findsNothing, .foundInList): return planned.replacing(event: .lookupUndecided())
        case (.resendsHeld, .absentFromList): return planned.replacing(event: .resubmitted(.resubmittedByPolicy))
        case (.believesFirstReading, .absentFromList):
            let lost = TaskFailure.submissionLost(because: "it is absent")
            return ScheduledEvent(.givenUp(lost, .givenUpByPolicy), for: planned.task, nextDueAt: nil)
        default: return planned
        }
    }
}

extension BrokenDriver.Fault {
    /// The server as the broken daemon sees it.
    fileprivate func server(_ identity: String?) -> String? {
        if case .overlooksFailOver = self { identity.map { _ in "server 1" } } else { identity }
    }
}
