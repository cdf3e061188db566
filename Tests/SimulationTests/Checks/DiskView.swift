import GRDB

/// What is on disk, read past the store that is being tested.
struct DiskView {
    /// A task's row.
    struct TaskLine {
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
        /// Everything that must stay once the task has ended.
        let outcome: String

        var hasEnded: Bool { ["succeeded", "failed", "cancelled", "expired"].contains(state) }
        /// Whether it counts against the cap of its service.
        var isInFlight: Bool { state == "submitting" || state == "running" }
    }

    /// A line of the log.
    struct EventLine {
        let sequence: Int64
        let task: String
        let at: Int64
        let kind: String
        let from: String?
        let to: String
        let remoteID: String?
        let resolution: String?
    }

    private let queue: DatabaseQueue

    init(path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        queue = try DatabaseQueue(path: path, configuration: configuration)
    }

    /// All rows, and the log after that number; of one moment.
    func read(after sequence: Int64) throws -> (tasks: [TaskLine], events: [EventLine]) {
        try queue.read { db in
            let tasks = try Row.fetchAll(db.cachedStatement(sql: Self.tasks)).map { row in
                TaskLine(
                    id: row[0], endpoint: row[1], service: row[2], state: row[3], remoteID: row[4], attempts: row[5],
                    onUncertain: row[6], failureCode: row[7], resolution: row[8], nextDueAt: row[9],
                    deadline: row[10], intent: (row[11] as String?).flatMap { Int($0) }, callbacks: row[13],
                    outcome: row[12])
            }
            let events = try Row.fetchAll(db.cachedStatement(sql: Self.events), arguments: [sequence]).map { row in
                EventLine(
                    sequence: row[0], task: row[1], at: row[2], kind: row[3], from: row[4], to: row[5],
                    remoteID: row[6], resolution: row[7])
            }
            return (tasks, events)
        }
    }

    func close() throws { try queue.close() }

    private static let tasks = """
        SELECT task.id, endpoint, service, state, remote_id, attempts, on_uncertain, failure_code, resolution,
          next_due_at_ms, deadline_ms,
          (SELECT value FROM task_label WHERE task_label.task_key = task.task_key AND name = 'intent'),
          json_array(state, is_partial, remote_id, ended_at_ms, finished_at_ms, failure_code, failure_message, resolution,
            attempts, task_payload.response, outcome_source), callbacks
        FROM task JOIN task_payload USING (task_key) ORDER BY task_key
        """
    private static let events = """
        SELECT sequence, task.id, at_ms, kind, from_state, to_state, detail ->> '$.remote_id', detail ->> '$.resolution'
        FROM event JOIN task USING (task_key) WHERE sequence > ? ORDER BY sequence
        """
}
