import GRDB
package import TaskModel
package import TaskStore
import VerbatimJSON

extension SQLiteTaskStore {
    package func apply(
        _ event: TaskEvent, to id: TaskID, at now: Timestamp, nextDueAt: Timestamp?
    ) async throws(TaskStoreError) -> TaskChange? {
        let writer = writer
        let record = event.recordToKeep.map(ResponseColumn.init)
        return try await write { db in
            try Self.apply(
                PlannedEvent(event, for: id, nextDueAt: nextDueAt), bringing: record, at: now, by: writer, in: db)
        }
    }

    package func apply(
        _ batch: [PlannedEvent], at now: Timestamp, teaching lessons: [Lesson]
    ) async throws(TaskStoreError) -> [TaskChange] {
        guard !(batch.isEmpty && lessons.isEmpty) else { return [] }
        let writer = writer
        // Written out here, beside the writer's thread, which everybody waits for.
        let batch = batch.map { (planned: $0, record: $0.event.recordToKeep.map(ResponseColumn.init)) }
        return try await write { db in
            let changes = try batch.compactMap {
                try Self.apply($0.planned, bringing: $0.record, at: now, by: writer, in: db)
            }
            try Self.learn(lessons, from: changes, in: db)
            return changes
        }
    }

    package func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        guard !ids.isEmpty else { return }
        try await write { db in
            let statement = try db.cachedStatement(
                sql: "UPDATE task SET next_due_at_ms = ? WHERE id = ? AND next_due_at_ms IS NOT NULL")
            for id in ids { try statement.execute(binding: ColumnValue(nextDueAt), .text(id.text)) }
        }
    }

    package func settle(
        service: String, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>, at now: Timestamp,
        deciding decide: @escaping @Sendable (UncertainView) -> [PlannedEvent]
    ) async throws(TaskStoreError) -> [TaskChange] {
        let writer = writer
        return try await write { db in
            let known = try candidates.compactMap { id in
                try Self.isOnlyNamed(id, service: service, in: db).map { (id: id, isOnlyNamed: $0) }
            }
            let view = UncertainView(
                uncertain: try Self.attempted(in: window, state: .uncertain, of: service, from: db),
                // All of them: a record without a time may be any's.
                submitting: try Self.attempted(in: nil, state: .submitting, of: service, from: db),
                givenUp: try Self.givenUp(in: window, of: service, from: db),
                owned: Set(known.filter { !$0.isOnlyNamed }.map(\.id)),
                named: Set(known.filter(\.isOnlyNamed).map(\.id)))
            return try decide(view).compactMap {
                try Self.apply($0, bringing: nil, at: now, by: writer, in: db)
            }
        }
    }

    /// Runs the lifecycle on the row as it is now and writes row, record and log line together.
    ///
    /// `record` is what the event brings, if that was made ready; the lifecycle says whether it is kept.
    private static func apply(
        _ planned: PlannedEvent, bringing record: ResponseColumn?, at now: Timestamp, by writer: GroupCommit,
        in db: Database
    ) throws -> TaskChange? {
        guard var row = try row(of: planned.task, in: db, writer.prepared) else { return nil }
        try dropForeignCallbackID(of: &row, in: db)
        let change = TaskLifecycle.apply(
            try withoutForeignID(planned, of: row.task, in: db), to: row.task, attempt: planned.attempt, at: now,
            nextDueAt: planned.nextDueAt)
        var newRecord = change.response.map { record ?? ResponseColumn($0) }
        // The record of a running task is mostly the one that is there already; then its page is not even read.
        if change.transition == .update, newRecord?.digest == row.responseDigest { newRecord = nil }
        switch change.transition {
        case .ignore, .refuse:
            guard case .calledBack(let delivery) = planned.event else { return change }
            try count(delivery, of: row.key, in: db)
            try write(change.task, over: row, by: writer, in: db)
            return change
        case .note, .noteLateResult, .noteLateRecord:
            if let id = change.task.remoteID, id != row.task.remoteID,
                let owner = try owner(of: id, service: row.task.endpoint.service, in: db)
            {
                throw TaskStoreError.remoteIDInUse(by: owner)
            }
            try write(change.task, over: row, by: writer, in: db)
        case .advance, .update:
            let isReopened = planned.event == .reopenRequested
            if let claimed = isReopened ? row.task.remoteID : planned.event.claimedRemoteID,
                isReopened || claimed != row.task.remoteID,
                let owner = try owner(of: claimed, service: row.task.endpoint.service, in: db), owner != row.task.id
            {
                throw TaskStoreError.remoteIDInUse(by: owner)
            }
            try write(change.task, responseDigest: newRecord?.digest, over: row, by: writer, in: db)
        }
        writer.counter.move(row.task.endpoint, from: row.task.state, to: change.task.state)
        try keep(planned.event, of: row, leadingTo: change, in: db)
        if let newRecord {
            try db.cachedStatement(sql: "UPDATE task_payload SET response = ? WHERE task_key = ?")
                .execute(binding: .text(newRecord.text), .integer(row.key))
        }
        try write(change.attempts, of: row, in: db)
        for entry in change.logEntries { try append(entry, of: row.key, in: db) }
        return change
    }

    /// A late reply to an attempt that was matched with an equal task's record meanwhile: that the provider accepted the
    /// attempt is a fact, and the id has its owner.
    private static func withoutForeignID(
        _ planned: PlannedEvent, of task: TrackedTask, in db: Database
    ) throws -> TaskEvent {
        let number = planned.attempt ?? task.attempts
        guard task.state != .submitting || number < task.attempts, !planned.event.isDelivery,
            let delivery = planned.event.acceptance(of: number), let id = delivery.remoteID, id != task.remoteID,
            try owner(of: id, service: task.endpoint.service, in: db) ?? task.id != task.id
        else { return planned.event }
        return .calledBack(CallbackDelivery(attempt: number, observation: delivery.observation))
    }

    /// A callback told an id while the task was being sent; since then it may have become another task's, by a person's word.
    private static func dropForeignCallbackID(of row: inout TaskRow, in db: Database) throws {
        guard row.task.state == .submitting, let id = row.task.callbacks.remoteID,
            try owner(of: id, service: row.task.endpoint.service, in: db) != nil
        else { return }
        row.task.callbacks.remoteID = nil
    }

    /// Writes the columns that changed, comparing the state that the change starts from; `responseDigest` is that of a new
    /// record.
    private static func write(
        _ task: TrackedTask, responseDigest: Int64? = nil, over row: TaskRow, by writer: GroupCommit, in db: Database
    ) throws {
        let before = TaskRow.mutableValues(of: row.task, responseDigest: row.responseDigest)
        let after = TaskRow.mutableValues(of: task, responseDigest: responseDigest ?? row.responseDigest)
        let changed = after.indices.filter { before[$0] != after[$0] }
        guard !changed.isEmpty else { return }
        let statement = try writer.prepared(
            .updateTask(columns: changed.reduce(0) { $0 | 1 << UInt64($1) }, from: row.task.state), in: db,
            """
            UPDATE task SET \(changed.map { TaskRow.mutableColumns[$0] + " = ?" }.joined(separator: ", "))
            WHERE task_key = ? AND state = \(row.task.state.literal)
            """)
        try statement.execute(binding: changed.map { after[$0] } + [.integer(row.key)])
        precondition(db.changesCount == 1, "a row changed inside our own transaction")
    }

    static func row(of id: TaskID, in db: Database, _ prepared: PreparedStatements) throws -> TaskRow? {
        try TaskRow.fetchOne(
            prepared(.taskByID, in: db, "SELECT \(TaskRow.columns) FROM task WHERE id = ?"), binding: .text(id.text))
    }

    private static func attempted(
        in window: ClosedRange<Timestamp>?, state: TaskState, of service: String, from db: Database
    ) throws -> [StoredTask] {
        let condition = window == nil ? "" : "AND attempt_started_at_ms BETWEEN ? AND ?"
        let bounds = window.map { [ColumnValue($0.lowerBound), ColumnValue($0.upperBound)] } ?? []
        return try StoredTaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns), request, NULL AS response
                    FROM task JOIN task_payload USING (task_key)
                    WHERE service = ? AND state = \(state.literal) AND next_due_at_ms IS NOT NULL \(condition)
                    ORDER BY task_key
                    """),
            binding: [.text(service)] + bounds
        ).map { try $0.stored }
    }
}

extension TaskEvent {
    /// The remote id that must not be another task's: what we conclude from a list or a person says.
    ///
    /// What a provider answers to our own request is not asked about: it is a fact that must be kept.
    fileprivate var claimedRemoteID: RemoteTaskID? {
        switch self {
        case .foundInList(let id, _), .foundByOwnID(let id, _), .adopted(let id): id
        case .calledBack(let delivery): delivery.remoteID
        default: nil
        }
    }
}
