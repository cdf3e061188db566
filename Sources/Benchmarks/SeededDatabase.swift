import Foundation
import GRDB
import Glibc
import SQLiteDriver
import TaskModel
import TaskStore

/// Creates a database with many tasks in SQL, as the store would have written it.
enum SeededDatabase {
    static let endpoints = [
        "kling/videos", "veo/videos", "flux/images", "midjourney/imagine", "producer/audios", "minimax/videos",
        "pika/videos", "seedance/videos", "grok/videos", "nano-banana/images", "dreamina/videos", "luma/videos",
        "hailuo/videos", "suno/audios", "sora/videos", "openai/images%2Fgenerations", "headshots/generate",
        "midjourney/edits", "kling/motion", "kling/lip-sync",
    ].map { $0.replacingOccurrences(of: "%2F", with: "/") }

    /// Derives a value from the record that the provider has sent for a task and will send again.
    private static func function(
        _ name: String, _ make: @escaping @Sendable (String) -> any DatabaseValueConvertible
    ) -> DatabaseFunction {
        DatabaseFunction(name, argumentCount: 1, pure: true) { values in
            String.fromDatabaseValue(values[0]).map { make(InstantProvider.record($0)) }
        }
    }

    /// The id of a task by its number, from 1.
    static func id(_ number: Int) -> String {
        String(format: "01a20915-%04x-7000-8000-%012x", number >> 16, number)
    }

    /// The state of the tasks.
    enum State: String {
        case running, succeeded
    }

    /// Running tasks are due one after another within the minute after `now`, on `kinds` endpoints in turn. Neighbours
    /// in the file are due together unless they are `scattered`.
    static func make(
        _ path: String, tasks: Int, kinds: Int, now: Timestamp, state: State = .running, scattered: Bool = true
    ) throws {
        let due =
            state == .succeeded
            ? "NULL" : ":now + " + (scattered ? "(i * 7919) % 60000" : "i * 60000 / \(tasks)")
        let ended = state == .succeeded ? ":now - 1000" : "NULL"
        try SQLiteDriver.open(path: path).close()
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
            db.add(function: Self.function("record") { $0 })
            db.add(function: Self.function("digest") { RecordText(utf8: Array($0.utf8)).digest })
            try db.execute(sql: "CREATE TEMP TABLE kind (number INTEGER PRIMARY KEY, endpoint TEXT, service TEXT)")
            for (number, endpoint) in endpoints.prefix(kinds).enumerated() {
                try db.execute(
                    sql: "INSERT INTO kind VALUES (?, ?, ?)",
                    arguments: [number, endpoint, endpoint.prefix { $0 != "/" }.description])
            }
            try db.inTransaction {
                try db.execute(
                    sql: """
                        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :tasks)
                        INSERT INTO task (
                          id, endpoint, service, state, on_uncertain, remote_id, created_at_ms, submitted_at_ms,
                          next_due_at_ms, ended_at_ms, attempts, attempt_started_at_ms, attempt_ended_at_ms, polls,
                          response_digest)
                        SELECT printf('01a20915-%04x-7000-8000-%012x', i >> 16, i), endpoint, service, '\(state.rawValue)', 'hold',
                          printf('%08x-0000-4000-8000-%012x', i, i), :now - 60000, :now - 59000,
                          \(due), \(ended), 1, :now - 59500, :now - 59000, 3,
                          digest(printf('%08x-0000-4000-8000-%012x', i, i))
                        FROM n JOIN kind ON number = i % :kinds
                        """,
                    arguments: [
                        "tasks": tasks, "kinds": min(kinds, endpoints.count), "now": now.milliseconds,
                    ])
                try db.execute(
                    sql: """
                        INSERT INTO task_payload (task_key, request, response)
                        SELECT task_key, '{"prompt":"A cat sitting on a table, in the style of an old photograph"}',
                          record(remote_id)
                        FROM task;
                        INSERT INTO event (task_key, at_ms, kind, from_state, to_state, detail)
                        SELECT task_key, created_at_ms, 'created', NULL, 'queued', '{}' FROM task;
                        INSERT INTO event (task_key, at_ms, kind, from_state, to_state, detail)
                        SELECT task_key, submitted_at_ms, 'submission_accepted', 'submitting', 'running', '{}' FROM task;
                        INSERT INTO task_count (state, endpoint, account, count)
                        SELECT state, endpoint, 'default', COUNT(*) FROM task GROUP BY state, endpoint;
                        """)
                return .commit
            }
        }
        try queue.close()
        // Synced before the measurement, because a start would otherwise wait for these writes.
        sync()
    }
}
