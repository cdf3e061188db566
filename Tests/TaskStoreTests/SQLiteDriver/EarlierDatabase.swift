import GRDB
import SQLiteMigrations
import TaskModel

extension DatabaseQueue {
    /// Creates a database with the first migrations, like an earlier version.
    static func earlier(migrations count: Int, at path: String) throws -> DatabaseQueue {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA application_id = 0x504c4c58") }
        var migrator = DatabaseMigrator()
        for migration in EmbeddedMigrations.all.prefix(count) {
            migrator.registerMigration(migration.name) { db in try db.execute(sql: migration.sql) }
        }
        try migrator.migrate(queue)
        return queue
    }
}

extension Database {
    /// Inserts the row of a running task with the columns of the first schema.
    func insertRunning(_ task: TrackedTask) throws {
        try execute(
            sql: """
                INSERT INTO task (id, endpoint, service, state, on_uncertain, remote_id, created_at_ms,
                  submitted_at_ms, next_due_at_ms, attempts, attempt_started_at_ms, attempt_ended_at_ms)
                VALUES (?1, 'image/make', 'image', 'running', 'hold', 'remote-1', ?2, ?2, ?2, 1, ?2, ?2);
                """, arguments: [task.id.text, task.createdAt.milliseconds])
    }
}
