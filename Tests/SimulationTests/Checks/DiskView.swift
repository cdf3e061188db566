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

    /// A connection to the database, besides those of the daemons.
    private let reader: any TableReader

    init(_ reader: any TableReader) { self.reader = reader }

    /// Opens a file of SQLite.
    init(path: String) throws { reader = try SQLiteReader(path: path) }

    /// The rows of a statement.
    func rows<Row: ColumnDecodable>(_ sql: String, _ values: [ColumnValue] = []) throws -> [Row] {
        try reader.read { try Row.fetchAll($0, .text(sql), values) }
    }

    /// The first row of a statement; nil if it has none.
    private func row<Row: ColumnDecodable>(_ sql: String, _ values: [ColumnValue] = []) throws -> Row? {
        try reader.read { try Row.fetchOne($0, .text(sql), values) }
    }

    /// A number that changes with every change of the database by another connection.
    func version() throws -> Int64 { try row(reader.version) ?? 0 }

    /// All rows, and the log entries after that number. The snapshot is consistent, because nothing else runs
    /// meanwhile.
    func read(
        after sequence: Int64
    ) throws -> (tasks: [TaskLine], events: [EventLine], givenUp: [GivenUpLine]) {
        let words = Words(reader.dialect)
        return (
            try rows(Self.tasks(words)), try rows(Self.events(words), [.integer(sequence)]), try rows(Self.givenUp)
        )
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
        try rows(
            """
            SELECT task_key, ordinal, state, COALESCE(sha256, ''), COALESCE(saved_at_ms, 0) FROM artefact
            WHERE url <> '' ORDER BY task_key, ordinal
            """)
    }

    /// The tasks of these keys that a person has deleted, or that a sweep has left as stubs.
    func isStub(_ key: Int64) throws -> Bool {
        try row("SELECT 1 FROM task WHERE task_key = ? AND removed_parts < 7", [.integer(key)]) as Int64? == nil
    }

    /// Succeeded tasks with all details that have more URLs among their results than files that are settled.
    func tasksWithoutFiles() throws -> [String] {
        try rows(
            """
            SELECT id FROM task WHERE state = 'succeeded' AND removed_parts = 0
              AND (SELECT COUNT(*) FROM task_result WHERE task_key = task.task_key AND kind = 'url')
                > (SELECT COUNT(*) FROM artefact WHERE task_key = task.task_key AND state <> 'waiting')
            ORDER BY task_key
            """)
    }

    /// The digests of the files that records have.
    func parts() throws -> Set<String> { Set(try rows("SELECT sha256 FROM record_part")) }

    /// The place of a destination of notifications, and its dead letters.
    func notifications(to destination: Destination) throws -> (place: Int64?, dead: Set<Int64>) {
        let name = [ColumnValue.text(destination.name.text)]
        return (
            try row("SELECT cursor FROM destination WHERE name = ?", name),
            Set(try rows("SELECT sequence FROM delivery WHERE destination = ? AND is_dead = 1", name))
        )
    }

    /// Whether the log has the line with that number.
    func hasLine(_ sequence: Int64) throws -> Bool {
        try row("SELECT sequence FROM event WHERE sequence = ?", [.integer(sequence)]) as Int64? != nil
    }

    /// Whether nothing paid is sent, because the database may be an older copy.
    func isRestored() throws -> Bool { try row("SELECT 1 FROM meta WHERE name = 'restored'") as Int64? != nil }

    func close() throws { try reader.close() }

    /// What the databases spell differently.
    private struct Words {
        private let dialect: SQLDialect

        init(_ dialect: SQLDialect) { self.dialect = dialect }

        func list(_ values: String) -> String {
            dialect == .sqlite ? "json_array(\(values))" : "json_build_array(\(values))"
        }

        func lists(_ values: String) -> String {
            dialect == .sqlite ? "json_group_array(\(list(values)))" : "json_agg(\(list(values)))"
        }

        /// A field of a line of the log.
        func detail(_ name: String) -> String {
            dialect == .sqlite ? "detail ->> '$.\(name)'" : "CAST(detail AS JSON) ->> '\(name)'"
        }
    }

    private static func tasks(_ words: Words) -> String {
        let remoteID =
            "CASE WHEN state NOT IN ('failed', 'cancelled', 'expired') OR submitted_at_ms IS NOT NULL THEN remote_id END"
        let ordered =
            "(SELECT * FROM task_result WHERE task_result.task_key = task.task_key ORDER BY ordinal) AS result"
        let outcome = words.list(
            """
            state, is_partial, \(remoteID), ended_at_ms, finished_at_ms, failure_code, failure_message, resolution, attempts,
            task_payload.response, outcome_source, result_count,
            (SELECT \(words.lists("kind, pointer, value")) FROM \(ordered))
            """)
        let core = words.list(
            """
            state, is_partial, \(remoteID), ended_at_ms, finished_at_ms, failure_code, resolution, attempts, outcome_source
            """)
        return """
            SELECT task.id, endpoint, service, state, remote_id, attempts, on_uncertain, failure_code, resolution,
              next_due_at_ms, deadline_ms,
              (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'intent'),
              \(outcome), callbacks, EXISTS (SELECT 1 FROM lease WHERE token = attempt_lease), account,
              \(core), removed_parts, is_pinned, ended_at_ms,
              EXISTS (SELECT 1 FROM idempotency_key AS own WHERE own.task_key = task.task_key),
              (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'program'),
              (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'agent')
            FROM task LEFT JOIN task_payload USING (task_key) ORDER BY task_key
            """
    }

    private static let givenUp = """
        SELECT task.id, attempt.service, number, readings, attempt.remote_id, next_reading_at_ms
        FROM given_up_attempt AS attempt JOIN task USING (task_key) ORDER BY task_key, number
        """

    private static func events(_ words: Words) -> String {
        """
        SELECT sequence, COALESCE(task.id, ''), at_ms, kind, from_state, COALESCE(to_state, ''),
          \(words.detail("remote_id")), \(words.detail("resolution")), \(words.detail("account")),
          CAST(\(words.detail("exchange")) AS BIGINT), \(words.detail("fate")),
          COALESCE(CAST(\(words.detail("counted")) AS TEXT) IN ('1', 'true'), FALSE)
        FROM event LEFT JOIN task USING (task_key) WHERE sequence > ? ORDER BY sequence
        """
    }
}
