import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

/// The real database with one of the store's promises broken: by the rows that transactions see, by what becomes of their
/// writes, or by the events that are applied.
struct BrokenDriver: DriverWrapper {
    /// Which promise.
    enum Fault: Sendable {
        /// Says that the intent is on disk, and does not write it.
        case forgetsIntent
        /// Says that a task is on disk, and does not write it.
        case losesAccepted
        /// Knows no idempotency keys.
        case ignoresKeys
        /// Sees nothing in flight.
        case seesNoneInFlight
        /// What a dead daemon was sending goes back to the queue.
        case resendsAfterCrash
        /// Sends again what a person should decide about.
        case resendsHeld
        /// Gives up at once what a list does not show.
        case believesFirstReading
        /// Never looks again at a task that it has put off.
        case forgetsPutOff
        /// Says that nothing was stored, after storing it.
        case reportsStoredAsFull
        /// Finds no lost submission in any list.
        case findsNothing
        /// Takes what a list shows for missing, where a policy has such a task sent again.
        case overlooksListed
        /// Takes a record that may be the task's for another's.
        case excludesPossible
        /// Takes what a person tracks for a task of its own.
        case trustsTracked
        /// Lets any task of the service vouch for the list.
        case mixesControls
        /// Takes every member that strangers send for a default.
        case explainsEverything
        /// Sends again without looking once more.
        case skipsLastLook
        /// Forgets a reply whose attempt is not waited for any more.
        case dropsLateReplies
        /// Says nothing of a record that turns up.
        case ignoresLateRecords
        /// Says that the results of a success are on disk, and does not write them.
        case dropsResults
        /// Stores the results of another task's success in place of a task's own.
        case confusesResults
        /// Takes what a callback says for what is so.
        case believesCallbacks
        /// Takes any token for somebody's.
        case believesAnyToken
        /// Says that a delivery is on disk, and does not write it.
        case dropsDeliveries
        /// Sees no lease in a claim.
        case ignoresLeases
        /// Sees no attempts that are still looked for when it removes details.
        case sweepsUnsettled
        /// Sees no attempts that are looked for when it removes tasks without details.
        case sweepsOwners
        /// Sees no lease when it declares submissions lost.
        case presumesAllDead
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
            let fault = fault
            value = try await base.write(
                for: call, { try body(BrokenTransaction(fault: fault, call: call, base: $0)) }, committed: { _ in })
        }
        committed(value)
        return value
    }

    /// Says what a write would lead to, and writes nothing.
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
        throw .failed("what was undone is stored")
    }

    /// Takes a write back.
    private struct Undone: Error {}

    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot {
        BrokenSnapshot(fault: fault, call: call, reading: rows)
    }
}

/// What a broken read sees.
private struct BrokenSnapshot: SnapshotWrapper {
    let fault: BrokenDriver.Fault
    let call: StoreCall
    let reading: any StoreSnapshot

    func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow] {
        let known = try reading.tokens(digests)
        guard case .believesAnyToken = fault, known.isEmpty, let digest = digests.first else { return known }
        return try reading.tasks(in: .running, limit: 1).map {
            TokenRow(digest: digest, owner: CallbackOwner(task: $0, attempt: 1, deliveries: 0, hadFinal: false))
        }
    }

    func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow] {
        if case .skipsLastLook = fault, case .of = query { return [] }
        return try reading.givenUp(query)
    }

    func neighbours(of row: TaskRow, submittedIn period: ClosedRange<Timestamp>) throws -> [TrackedTask] {
        let near = try reading.neighbours(of: row, submittedIn: period)
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

    func counts() throws -> [TaskCount] {
        let counts = try reading.counts()
        guard case .seesNoneInFlight = fault else { return counts }
        return counts.filter { $0.state != .submitting && $0.state != .running }
    }
}

/// What a broken write sees and does.
private struct BrokenTransaction: TransactionWrapper {
    let fault: BrokenDriver.Fault
    let call: StoreCall
    let base: any StoreTransaction

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
        in state: TaskState, of service: ServiceName, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask] {
        if case .sweepsOwners = fault, case .write("sweep") = call { return [] }
        return try base.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
    }

    func insert(_ keys: [NewKey]) throws {
        if case .ignoresKeys = fault { return }
        try base.insert(keys)
    }

    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        let holders = try base.holders(of: ids, service: service)
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
        default: return try base.leases()
        }
    }

    func put(_ results: [TaskResults]) throws {
        switch fault {
        case .dropsResults: return
        case .confusesResults:
            // The results of an earlier success, if there is one.
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

extension BrokenDriver.Fault {
    /// The events that a store broken like this applies in place of one.
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
        // Where no token goes out: the one that the engine has drawn is not known here.
        case (.skipsLastLook, .lookupUndecided) where task.state == .queued && task.attempt?.callback == nil:
            return [
                ScheduledEvent(
                    .submissionStarted(), for: planned.task, under: LeaseName(provider: ProviderWords.provider),
                    nextDueAt: now + .seconds(60))
            ]
        // What a callback says, as if a poll had said it.
        case (.believesCallbacks, .calledBack(let delivery)):
            guard let observation = delivery.observation, delivery.isFinal else { break }
            return [planned, planned.replacing(event: .observed(observation))]
        case (.resendsAfterCrash, .submissionInterrupted(let failure, _)) where failure.code == "daemon_stopped":
            return [planned.replacing(event: .submissionNotAccepted(failure))]
        default: break
        }
        return [planned]
    }

    /// Nil where it is not applied at all.
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
        case (.overlooksListed, .foundInList) where mayResend && task.attempt != nil: return absent
        case (.findsNothing, .foundInList): return planned.replacing(event: .lookupUndecided())
        case (.resendsHeld, .absentFromList): return planned.replacing(event: .resubmitted(.resubmittedByPolicy))
        case (.believesFirstReading, .absentFromList):
            let lost = TaskFailure.submissionLost(because: "it is not there")
            return ScheduledEvent(.givenUp(lost, .givenUpByPolicy), for: planned.task, nextDueAt: nil)
        default: return planned
        }
    }
}
