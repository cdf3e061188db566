package import TaskModel
import VerbatimJSON

extension TaskStore {
    /// Applies an event to a task; nil if the task does not exist.
    ///
    /// An `adopted` remote id that another task of the service owns is an error and changes nothing.
    package func apply(
        _ event: TaskEvent, to id: TaskID, under lease: LeaseName? = nil, at now: Timestamp, nextDueAt: Timestamp?
    ) async throws(TaskStoreError) -> TaskChange? {
        try await apply([ScheduledEvent(event, for: id, under: lease, nextDueAt: nextDueAt)], at: now).first
    }

    /// Applies several events and statistics updates in one transaction. The result omits tasks that do not exist.
    package func apply(
        _ batch: [ScheduledEvent], at now: Timestamp, updating updates: [StatisticsUpdate] = []
    ) async throws(TaskStoreError) -> [TaskChange] {
        guard !(batch.isEmpty && updates.isEmpty) else { return [] }
        // Redaction and serialisation happen here, off the writer's thread, which all writes share.
        let prepared = await prepare(batch)
        let parts = prepared.flatMap { $0.record?.parts ?? [] }
        guard !parts.isEmpty else { return try await apply(prepared, at: now, updating: updates) }
        let result: Result<[TaskChange], TaskStoreError>
        do throws(TaskStoreError) {
            result = .success(try await apply(prepared, at: now, updating: updates))
        } catch {
            result = .failure(error)
        }
        settle(parts, afterFailure: (try? result.get()) == nil)
        return try result.get()
    }

    private func apply(
        _ batch: [PreparedEvent], at now: Timestamp, updating updates: [StatisticsUpdate]
    ) async throws(TaskStoreError) -> [TaskChange] {
        let call = StoreCall.apply(batch.map(\.planned.event))
        return try await commit(call) { [tampering] changes in
            try changes.load(batch.map(\.planned.task))
            var led: [TaskChange] = []
            for event in batch {
                for event in Self.tampered(event, by: tampering, for: call, at: now, in: changes) {
                    led += try changes.apply(event, at: now)
                }
            }
            try Self.learn(updates, from: led, in: changes.transaction)
            try changes.dropUnused(batch.flatMap { $0.record?.parts ?? [] })
            return led
        }
    }

    /// Settles lost attempts of a service from one consistent snapshot.
    ///
    /// The snapshot has those that began in the window, without their responses. `decide` runs inside the transaction,
    /// so no submission can be confirmed between the snapshot and the write.
    package func settle(
        service: ServiceName, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>,
        at now: Timestamp, deciding decide: @escaping @Sendable (ReconciliationSnapshot) -> [ScheduledEvent]
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await commit(.write("settle")) { [tampering] changes in
            let view = try changes.view(of: service, attemptedIn: window, candidates: candidates)
            let events = decide(view).map(PreparedEvent.init)
            try changes.load(events.map(\.planned.task))
            var led: [TaskChange] = []
            for event in events {
                for event in Self.tampered(event, by: tampering, for: .write("settle"), at: now, in: changes) {
                    led += try changes.apply(event, at: now)
                }
            }
            return led
        }
    }

    static func tampered(
        _ event: PreparedEvent, by tampering: EventTampering?, for call: StoreCall, at now: Timestamp,
        in changes: ChangeSet
    ) -> [PreparedEvent] {
        guard let tampering, let task = changes.row(of: event.planned.task)?.task else { return [event] }
        return tampering(event.planned, task, call, now).map(PreparedEvent.init)
    }
}

/// An event whose documents are ready to be written: redacted and serialised.
struct PreparedEvent: Sendable {
    let planned: ScheduledEvent
    /// The serialised record of the event. The lifecycle decides whether it is stored.
    let record: RecordText?
    /// The results in the event's record. They are stored if the task succeeds.
    let results: [ResultRow]

    init(_ planned: ScheduledEvent) {
        self.planned = planned.redacted
        record = self.planned.event.recordToKeep.map(RecordText.init)
        results = self.planned.event.observation.map(ResultRow.rows) ?? []
    }

    /// The same with the long values of its record in files, as far as they can be written.
    init(_ planned: ScheduledEvent, in files: any RecordFiles, over limit: Int) async {
        self.planned = planned.redacted
        if let record = self.planned.event.recordToKeep {
            self.record = await RecordText(record, in: files, over: limit)
        } else {
            record = nil
        }
        results = self.planned.event.observation.map(ResultRow.rows) ?? []
    }
}

extension ChangeSet {
    fileprivate mutating func view(
        of service: ServiceName, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>
    ) throws -> ReconciliationSnapshot {
        let known = try self.known(candidates, service: service)
        let attempts = try transaction.givenUp(.begun(service: service, in: window))
        let tasks = Dictionary(
            try transaction.texts(of: Set(attempts.map(\.attempt.task)).sorted(), .requestOnly).map {
                ($0.task.id, try $0.stored)
            }
        ) { first, _ in first }
        return ReconciliationSnapshot(
            uncertain: try transaction.attempted(in: .uncertain, of: service, within: window).map { try $0.stored },
            // All of them are needed, because a record without a time may belong to any.
            submitting: try transaction.attempted(in: .submitting, of: service, within: nil).map { try $0.stored },
            givenUp: attempts.compactMap { row in
                tasks[row.attempt.task].map { GivenUpTask(stored: $0, givenUp: row.attempt) }
            },
            owned: known.owned, named: known.named)
    }

    /// Runs the lifecycle on the current task and collects the changes; empty if the task does not exist.
    mutating func apply(_ event: PreparedEvent, at now: Timestamp) throws -> [TaskChange] {
        guard let change = try applyOnce(event, at: now) else { return [] }
        guard let next = event.planned.consequence?(change.task) else { return [change] }
        let consequence = ScheduledEvent(next, for: event.planned.task, nextDueAt: change.task.nextDueAt)
        return try [change] + apply(PreparedEvent(consequence), at: now)
    }

    private mutating func applyOnce(_ event: PreparedEvent, at now: Timestamp) throws -> TaskChange? {
        let planned = event.planned
        guard var row = row(of: planned.task) else { return nil }
        try dropForeignCallbackID(of: &row)
        var change = TaskLifecycle.apply(
            try withoutForeignID(planned, of: row.task), to: row.task, attempt: planned.attempt, at: now,
            schedule: planned.schedule)
        try setAccount(of: &change, by: planned, from: row.task)
        switch change.transition {
        case .ignore, .refuse:
            guard case .calledBack(let delivery) = planned.event else { return change }
            try transaction.count([CountedDelivery(delivery, of: row.key)])
            self.change(row, to: change.task)
            return change
        case .note, .noteLateResult, .noteLateRecord:
            if let id = change.task.remoteID, id != row.task.remoteID {
                try refuse(id, ofOtherThan: nil, service: row.task.endpoint.service)
            }
        case .advance, .update:
            if case .submissionStarted = planned.event {
                try acquire(planned.lease, at: now)
                let shortage = try shortage(
                    of: planned.charge, for: change, of: row, under: planned.lease, at: now)
                if let shortage { return try hold(row, because: shortage, at: now) }
                change.task.attempt?.lease = holder.token
            }
            let isReopened = planned.event == .reopenRequested
            if let claimed = isReopened ? row.task.remoteID : planned.event.claimedRemoteID,
                isReopened || claimed != row.task.remoteID
            {
                try refuse(claimed, ofOtherThan: row.task.id, service: row.task.endpoint.service)
            }
        }
        var record = change.response.map { event.record ?? RecordText($0) }
        // Most polls return the stored record again. Its page is then neither read nor written.
        if change.transition == .update, record?.digest == row.recordDigest { record = nil }
        self.change(row, to: change.task, record: record)
        count(from: row.task, to: change.task)
        try keep(planned.event, of: row, leadingTo: change)
        try keep(change.attempts, of: row, shownTo: planned.account)
        keep(event.results, of: row.key, leadingTo: change)
        if let reply = planned.reply { try transaction.put(reply, of: row.key) }
        for entry in change.logEntries { append(entry, of: row.key, about: change.task) }
        if row.task.state == .queued, change.task.state != .queued { try transaction.dropHold(of: row.key) }
        if case .submissionStarted = planned.event {
            try reserve(planned.charge, for: change, of: row, under: planned.lease, at: now)
        } else {
            try account(for: change, by: planned, of: row, at: now)
        }
        return change
    }

    /// Sets the account of a task that gets a remote id. It is the account whose reply or list shows the id, or the one
    /// that made the accepted attempt.
    private func setAccount(of change: inout TaskChange, by planned: ScheduledEvent, from task: TrackedTask) throws {
        guard let id = change.task.remoteID, id != task.remoteID else { return }
        if let account = planned.account, planned.event.remoteID == id {
            change.task.account = account
            return
        }
        let earlier = change.attempts.found?.number ?? (id == task.callbacks.remoteID ? task.callbacks.attempt : nil)
        let number = earlier ?? task.attempts
        guard number < task.attempts || task.account == .unknown else { return }
        change.task.account =
            try account(ofAttempt: number, of: task.id) ?? (task.account == .unknown ? .default : task.account)
    }

    /// The account that made an attempt; nil if this copy does not know the attempt.
    private func account(ofAttempt number: Int, of task: TaskID) throws -> AccountName? {
        let givenUp = try transaction.givenUp(.numbered(number, of: task)).first?.attempt.account
        if let givenUp, givenUp != .unknown { return givenUp }
        let start = try transaction.events(of: task, after: 0, limit: 10_000).lazy
            .filter { $0.kind == "submission_started" }
            .map { try StoredDocument.read($0.detail) }
            .first { $0["attempt"]?.number?.digits == "\(number)" }
        // Events from before accounts existed name none.
        return start.map { $0["account"]?.string.map { AccountName(stored: $0) } ?? .default }
    }

    /// Throws if another task owns the remote id.
    private mutating func refuse(_ remoteID: RemoteTaskID, ofOtherThan task: TaskID?, service: ServiceName) throws {
        guard let owner = try owner(of: remoteID, service: service), owner != task else { return }
        throw TaskStoreError.remoteIDInUse(by: owner)
    }

    /// Drops the id of a late reply if an equal task owns it now. The acceptance of the attempt is still recorded.
    private mutating func withoutForeignID(_ planned: ScheduledEvent, of task: TrackedTask) throws -> TaskEvent {
        let number = planned.attempt ?? task.attempts
        guard task.state != .submitting || number < task.attempts, !planned.event.isDelivery,
            let delivery = planned.event.acceptance(of: number), let id = delivery.remoteID, id != task.remoteID,
            try owner(of: id, service: task.endpoint.service) ?? task.id != task.id
        else { return planned.event }
        return .calledBack(CallbackDelivery(attempt: number, observation: delivery.observation))
    }

    /// Drops an id that a callback delivered during the submission if a task that a person tracked owns it now.
    private mutating func dropForeignCallbackID(of row: inout TaskRow) throws {
        guard row.task.state == .submitting, let id = row.task.callbacks.remoteID,
            try owner(of: id, service: row.task.endpoint.service) != nil
        else { return }
        row.task.callbacks.remoteID = nil
    }
}

extension TaskEvent {
    /// The remote id that the event gives its task, or an attempt of it.
    fileprivate var remoteID: RemoteTaskID? { acceptance(of: 0)?.remoteID ?? claimedRemoteID }

    /// The remote id that no other task may own, from a list, a callback or a person.
    ///
    /// The id in the reply to our own request is certain and is stored without this check.
    fileprivate var claimedRemoteID: RemoteTaskID? {
        switch self {
        case .foundInList(let id, _), .foundByOwnID(let id, _), .adopted(let id): id
        case .calledBack(let delivery): delivery.remoteID
        default: nil
        }
    }
}
