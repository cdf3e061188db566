import GRDB
import SQLiteRaw
import StoreSQL
import TaskEngine
import TaskModel

/// Reads the database without the store under test.
struct DiskView {
    /// A task's row.
    struct TaskLine: ColumnDecodable {
        let id: String
        let endpoint: String
        let service: String
        let state: String
        let remoteID: String?
        let attempts: Int
        let onUncertain: String
        let failureCode: String?
        let resolution: String?
        let nextDueAt: Int64?
        let deadline: Int64?
        let intent: Int?
        let callbacks: Int
        /// Whether the lease of the latest attempt still exists.
        let isLeased: Bool
        let account: String
        /// All fields that must not change after the task has ended.
        let outcome: String
        /// The part of ``outcome`` that stays without the task's details.
        let core: String
        let removedParts: Int
        let isPinned: Bool
        let endedAt: Int64?
        let hasKey: Bool
        /// The program that submitted it through the gateway.
        let program: String?
        /// The agent that submitted it.
        let agent: String?

        var isStub: Bool { removedParts & RemovedDetails.Parts.all.rawValue == RemovedDetails.Parts.all.rawValue }
        var hasEnded: Bool { ["succeeded", "failed", "cancelled", "expired"].contains(state) }
        var accountService: String { "\(service) \(account)" }
        /// Whether it counts against its service's concurrency limit.
        var isInFlight: Bool { state == "submitting" || state == "running" }

        init(_ next: inout ColumnReader) throws {
            (id, endpoint, service, state) = (next(), next(), next(), next())
            (remoteID, attempts, onUncertain) = (next.optional(), next(), next())
            (failureCode, resolution) = (next.optional(), next.optional())
            (nextDueAt, deadline) = (next.optional(), next.optional())
            intent = (next.optional() as String?).flatMap { Int($0) }
            (outcome, callbacks, isLeased, account) = (next(), next(), next(), next())
            (core, removedParts, isPinned) = (next(), next(), next())
            (endedAt, hasKey, program, agent) = (next.optional(), next(), next.optional(), next.optional())
        }
    }

    /// A log entry.
    struct EventLine: ColumnDecodable {
        let sequence: Int64
        /// The task's id; empty if the line belongs to none.
        let task: String
        let at: Int64
        let kind: String
        let from: String?
        let to: String
        let remoteID: String?
        let resolution: String?
        let account: String?
        let exchange: Int64?
        /// The fate of an exchange that was claimed, and whether its claimant counts its retries.
        let fate: String?
        let isCounted: Bool

        init(_ next: inout ColumnReader) throws {
            (sequence, task, at, kind) = (next(), next(), next(), next())
            (from, to) = (next.optional(), next())
            (remoteID, resolution, account) = (next.optional(), next.optional(), next.optional())
            (exchange, fate) = (next.optional(), next.optional())
            isCounted = next()
        }
    }

    /// A given-up attempt.
    struct GivenUpLine: ColumnDecodable {
        let task: String
        let service: String
        let number: Int
        let readings: Int
        let remoteID: String?
        let nextReadingAt: Int64?

        var attempt: Attempt { Attempt(task: task, number: number) }

        struct Attempt: Hashable {
            let task: String
            let number: Int
        }

        init(_ next: inout ColumnReader) throws {
            (task, service, number, readings) = (next(), next(), next(), next())
            (remoteID, nextReadingAt) = (next.optional(), next.optional())
        }
    }

    private let queue: DatabaseQueue

    /// The rows of a statement without values.
    func rows<Row: ColumnDecodable>(_ sql: String) throws -> [Row] {
        try queue.unsafeRead { db in try Row.fetchAll(RawConnection(db), .text(sql)) }
    }

    init(path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        queue = try DatabaseQueue(path: path, configuration: configuration)
    }

    /// A number that changes with every change of the database by another connection
    /// (https://sqlite.org/pragma.html#pragma_data_version).
    func version() throws -> Int {
        try queue.unsafeRead { db in
            try Int.fetchOne(db.cachedStatement(sql: "PRAGMA data_version")) ?? 0
        }
    }

    /// All rows, and the log entries after that number. The snapshot is consistent, because nothing else runs
    /// meanwhile.
    func read(
        after sequence: Int64
    ) throws -> (tasks: [TaskLine], events: [EventLine], givenUp: [GivenUpLine]) {
        try queue.unsafeRead { db in
            (
                try TaskLine.fetchAll(RawConnection(db), .text(Self.tasks)),
                try EventLine.fetchAll(RawConnection(db), .text(Self.events), [.integer(sequence)]),
                try GivenUpLine.fetchAll(RawConnection(db), .text(Self.givenUp))
            )
        }
    }

    /// The file of a result.
    struct FileLine: ColumnDecodable {
        let task: Int64
        let ordinal: Int64
        let state: String
        let digest: String
        let savedAt: Int64

        init(_ next: inout ColumnReader) throws {
            (task, ordinal, state, digest, savedAt) = (next(), next(), next(), next(), next())
        }
    }

    /// The files of all results.
    func files() throws -> [FileLine] {
        try queue.unsafeRead { db in
            try FileLine.fetchAll(
                RawConnection(db),
                """
                SELECT task_key, ordinal, state, IFNULL(sha256, ''), IFNULL(saved_at_ms, 0) FROM artefact
                WHERE url <> '' ORDER BY task_key, ordinal
                """)
        }
    }

    /// The tasks of these keys that a person has deleted, or that a sweep has left as stubs.
    func isStub(_ key: Int64) throws -> Bool {
        try queue.unsafeRead { db in
            try Bool.fetchOne(
                db.cachedStatement(sql: "SELECT removed_parts >= 7 FROM task WHERE task_key = ?"), arguments: [key])
                ?? true
        }
    }

    /// Succeeded tasks with all details that have more URLs among their results than files that are settled.
    func tasksWithoutFiles() throws -> [String] {
        try queue.unsafeRead { db in
            try String.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT id FROM task WHERE state = 'succeeded' AND removed_parts = 0
                          AND (SELECT COUNT(*) FROM task_result WHERE task_key = task.task_key AND kind = 'url')
                            > (SELECT COUNT(*) FROM artefact WHERE task_key = task.task_key AND state <> 'waiting')
                        ORDER BY task_key
                        """))
        }
    }

    /// The digests of the files that records have.
    func parts() throws -> Set<String> {
        try queue.unsafeRead { db in
            Set(try String.fetchAll(db.cachedStatement(sql: "SELECT sha256 FROM record_part")))
        }
    }

    /// The place of a destination of notifications, and its dead letters.
    func notifications(to destination: Destination) throws -> (place: Int64?, dead: Set<Int64>) {
        let name: StatementArguments = [destination.name.text]
        return try queue.unsafeRead { db in
            (
                try Int64.fetchOne(
                    db.cachedStatement(sql: "SELECT cursor FROM destination WHERE name = ?"), arguments: name),
                Set(
                    try Int64.fetchAll(
                        db.cachedStatement(
                            sql: "SELECT sequence FROM delivery WHERE destination = ? AND is_dead = 1"),
                        arguments: name))
            )
        }
    }

    /// Whether the log has the line with that number.
    func hasLine(_ sequence: Int64) throws -> Bool {
        try queue.unsafeRead { db in
            try Int64.fetchOne(
                db.cachedStatement(sql: "SELECT sequence FROM event WHERE sequence = ?"), arguments: [sequence]) != nil
        }
    }

    /// Whether nothing paid is sent, because the database may be an older copy.
    func isRestored() throws -> Bool {
        try queue.read { try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'restored')") }
            ?? false
    }

    func close() throws { try queue.close() }

    private static let tasks = """
        SELECT task.id, endpoint, service, state, remote_id, attempts, on_uncertain, failure_code, resolution,
          next_due_at_ms, deadline_ms,
          (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'intent'),
          json_array(state, is_partial, iif(state IN ('failed', 'cancelled', 'expired') AND submitted_at_ms IS NULL, NULL, remote_id), ended_at_ms, finished_at_ms, failure_code, failure_message, resolution,
            attempts, task_payload.response, outcome_source, result_count,
            (SELECT json_group_array(json_array(kind, pointer, value)) FROM task_result
             WHERE task_result.task_key = task.task_key)), callbacks,
          EXISTS (SELECT 1 FROM lease WHERE token = attempt_lease), account,
          json_array(state, is_partial, iif(state IN ('failed', 'cancelled', 'expired') AND submitted_at_ms IS NULL, NULL, remote_id),
            ended_at_ms, finished_at_ms, failure_code, resolution, attempts, outcome_source),
          removed_parts, is_pinned, ended_at_ms, EXISTS (SELECT 1 FROM idempotency_key AS own WHERE own.task_key = task.task_key),
          (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'program'),
          (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'agent')
        FROM task LEFT JOIN task_payload USING (task_key) ORDER BY task_key
        """
    private static let givenUp = """
        SELECT task.id, attempt.service, number, readings, attempt.remote_id, next_reading_at_ms
        FROM given_up_attempt AS attempt JOIN task USING (task_key) ORDER BY task_key, number
        """
    private static let events = """
        SELECT sequence, IFNULL(task.id, ''), at_ms, kind, from_state, IFNULL(to_state, ''), detail ->> '$.remote_id',
          detail ->> '$.resolution', detail ->> '$.account', detail ->> '$.exchange',
          detail ->> '$.fate', IFNULL(detail ->> '$.counted', 0)
        FROM event LEFT JOIN task USING (task_key) WHERE sequence > ? ORDER BY sequence
        """
}
