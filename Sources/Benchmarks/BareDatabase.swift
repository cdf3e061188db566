import Foundation
import GRDB
import SQLiteMigrations

/// Measures the limits of the disk and of SQLite, through the same GRDB: WAL, `synchronous=FULL`.
struct BareDatabase {
    let pool: DatabasePool

    /// A plain table, and the tables of the store.
    init(_ path: String) throws {
        pool = try DatabasePool(path: path)
        try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "CREATE TABLE plain (key INTEGER PRIMARY KEY, body TEXT NOT NULL)")
            for migration in EmbeddedMigrations.all { try db.execute(sql: migration.sql) }
        }
    }

    /// The rate of transactions with one plain row each, per second.
    func singleRows(_ count: Int, body: String) throws -> Double {
        let seconds = try Clock.seconds {
            for _ in 0..<count {
                try pool.write { db in
                    try db.cachedStatement(sql: "INSERT INTO plain (body) VALUES (?)").execute(arguments: [body])
                }
            }
        }
        return Double(count) / seconds
    }

    /// The rate of plain rows per second, with a hundred in each transaction.
    func batchedRows(_ count: Int, body: String) throws -> Double {
        try batched(count) { db, _ in
            try db.cachedStatement(sql: "INSERT INTO plain (body) VALUES (?)").execute(arguments: [body])
        }
    }

    /// The rate of the minimum rows of a task in Pollux's tables: its row in all its indexes, its request, its first
    /// event. Each transaction has a hundred tasks.
    func batchedTasks(_ count: Int, body: String) throws -> Double {
        try batched(count) { db, number in
            try db.cachedStatement(
                sql: """
                    INSERT INTO task (id, endpoint, service, state, on_uncertain, created_at_ms, next_due_at_ms)
                    VALUES (?, 'kling/videos', 'kling', 'queued', 'hold', ?, ?)
                    """
            ).execute(arguments: [String(format: "01a20915-0000-7000-8000-%012x", number), number, number])
            let key = db.lastInsertedRowID
            try db.cachedStatement(sql: "INSERT INTO task_payload (task_key, request) VALUES (?, ?)")
                .execute(arguments: [key, body])
            try db.cachedStatement(
                sql:
                    "INSERT INTO event (task_key, at_ms, kind, to_state, detail) VALUES (?, ?, 'created', 'queued', '{}')"
            ).execute(arguments: [key, number])
        }
    }

    private func batched(_ count: Int, _ insert: (Database, Int) throws -> Void) throws -> Double {
        let seconds = try Clock.seconds {
            for start in stride(from: 0, to: count, by: 100) {
                try pool.write { db in for number in start..<min(start + 100, count) { try insert(db, number) } }
            }
        }
        return Double(count) / seconds
    }
}
