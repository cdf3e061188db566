import Foundation
import GRDB
import SQLiteMigrations
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

/// Tests databases of earlier schemas.
@Suite struct SchemaTests: DatabaseFixture {
    @Test func `the embedded migrations equal the files of the folder`() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("migrations/sqlite")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
            .sorted()
        #expect(EmbeddedMigrations.all.map { $0.name + ".sql" } == files)
        for migration in EmbeddedMigrations.all {
            let text = try String(contentsOf: folder.appendingPathComponent(migration.name + ".sql"), encoding: .utf8)
            #expect(migration.sql == text)
        }
    }

    @Test
    func `a migrated attempt whose clock was set has an unlimited period and a new measurement`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: 8, at: path)
        let tasks = [1, 2].map { TrackedTask.task($0, state: .uncertain) }
        for (key, task) in tasks.enumerated() {
            try await queue.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO task (id, endpoint, service, state, on_uncertain, created_at_ms, next_due_at_ms,
                          attempts, attempt_started_at_ms, attempt_ended_at_ms, attempt_absent_readings,
                          attempt_first_absent_at_ms, attempt_clock_was_set)
                        VALUES (?1, 'image/make', 'image', 'uncertain', 'hold', ?2, ?2, 1, ?2, ?2, 3, ?2, ?3)
                        """, arguments: [task.id.text, now.milliseconds, key])
            }
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        let (still, moved) = (
            try await store.verbs.task(tasks[0].id)?.attempt, try await store.verbs.task(tasks[1].id)?.attempt
        )
        #expect(still?.clock == ClockDrift() && still?.absentReadings == 3 && still?.firstAbsentAt == now)
        #expect(
            moved.map { $0.clockDrift > ClockDrift.tolerance } == true && moved?.absentReadings == 0
                && moved?.firstAbsentAt == nil)
        let years = Duration.seconds(9 * 365 * 86_400)
        #expect(moved?.period(until: now).contains(now - years) == true)
        #expect(moved?.period(until: now).contains(now + years) == true)
        try store.close()
    }

    @Test func `a database of the first version opens with its tasks`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: 1, at: path)
        let task = TrackedTask.task(1, state: .running)
        try await queue.write { db in
            try db.insertRunning(task)
            try db.execute(
                sql: "INSERT INTO task_payload (task_key, request, response) VALUES (1, '{}', '{\"progress\":1}')")
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        var expected = task
        // Its age counts from the submission.
        expected.ageFrom = task.submittedAt
        #expect(try await store.verbs.task(task.id) == expected)
        #expect(try await store.verbs.statistics(of: task.endpoint).isEmpty)
        var noted = TrackedTask.task(2)
        noted.note = "written later"
        _ = try await store.verbs.insert(.new(noted))
        #expect(try await store.verbs.task(noted.id)?.note == "written later")
        // The stored record has no digest yet, so an equal one is written again.
        for progress: JSONValue in [1, 2] {
            let pending = Observation(.pending, record: ["progress": progress])
            _ = try await store.verbs.apply(.observed(pending), to: task.id, at: now, nextDueAt: now)
            #expect(try await store.verbs.taskWithPayload(task.id)?.payload.response == ["progress": progress])
        }
        let done = Observation(.succeeded(partial: false), record: [:])
        _ = try await store.verbs.apply(.observed(done), to: task.id, at: now + .seconds(1), nextDueAt: nil)
        #expect(try await store.verbs.task(task.id)?.state == .succeeded)
        try store.close()
    }

    @Test(arguments: 1..<EmbeddedMigrations.all.count)
    func `a database of each earlier schema opens, and stores changes and daemon entries`(count: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: count, at: path)
        let task = TrackedTask.task(1, state: .running)
        try await queue.write { db in
            try db.insertRunning(task)
            try db.execute(
                sql: """
                    INSERT INTO task_payload (task_key, request) VALUES (1, '{}');
                    INSERT INTO event (task_key, at_ms, kind, from_state, to_state, detail)
                    VALUES (1, 1, 'tracked', NULL, 'running', '{}');
                    """)
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        #expect(try await store.verbs.task(task.id)?.account == .default)
        #expect(try await store.verbs.due(in: .running, of: "image", by: now, limit: 9).map(\.id) == [task.id])
        try await store.verbs.moveSchedule(by: .seconds(5), at: now)
        _ = try await store.verbs.apply(.cancelRequested, to: task.id, at: now, nextDueAt: nil)
        #expect(try await store.verbs.counts().map(\.state) == [.cancelled])
        let log = try await store.verbs.log.read(after: 0, limit: 9)
        #expect(log.map(\.sequence) == [1, 2, 3])
        if case .daemon(let event, _) = log[1] { #expect(event.kind == "clock_set") } else { Issue.record("\(log)") }
        try store.close()
        // The migrated schema is consistent.
        let next = try DatabaseQueue(path: path)
        let (report, broken) = try await next.read { db in
            (
                try String.fetchAll(db, sql: "PRAGMA integrity_check"),
                try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").count
            )
        }
        #expect(report == ["ok"] && broken == 0)
        try next.close()
    }

    @Test func `pauses and breakers of a database without accounts belong to the account default`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: 15, at: path)
        try await queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO gate (kind, name, pause_code, pause_message, failures, closed_until_ms, revision)
                    VALUES ('submissions', 'image/make', 'paused', 'by hand', 2, 9, 4), ('polls', 'image', NULL, NULL, 1, 8, 3),
                      ('provider', 'testing', 'used_up', 'no credit', 0, NULL, 1)
                    """)
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        let circuits = try await store.verbs.circuits().sorted {
            "\($0.kind) \($0.account?.text ?? "")" < "\($1.kind) \($1.account?.text ?? "")"
        }
        #expect(circuits.map(\.account) == [.default, .default, nil, .default])
        #expect(circuits.map(\.pause?.code) == [nil, "used_up", "paused", nil])
        #expect(circuits.map(\.failures) == [1, 0, 0, 2])
        #expect(circuits.map(\.closedUntil?.milliseconds) == [8, nil, nil, 9])
        try store.close()
    }

    @Test func `a migrated success has no stored results, and a later success has`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: 12, at: path)
        let tasks = [TrackedTask.task(1, state: .succeeded), .task(2, state: .running)]
        for task in tasks {
            try await queue.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO task (id, endpoint, service, state, on_uncertain, remote_id, created_at_ms,
                          submitted_at_ms, ended_at_ms, next_due_at_ms, attempts, attempt_started_at_ms,
                          attempt_ended_at_ms)
                        VALUES (?1, 'image/make', 'image', ?2, 'hold', ?3, ?4, ?4,
                          iif(?2 = 'running', NULL, ?4), iif(?2 = 'running', ?4, NULL), 1, ?4, ?4);
                        """,
                    arguments: [task.id.text, task.state.rawValue, task.remoteID?.text, now.milliseconds])
                try db.execute(
                    sql: "INSERT INTO task_payload (task_key, request, response) VALUES (?, '{}', '{\"u\":1}')",
                    arguments: [db.lastInsertedRowID])
            }
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        let earlier = try await store.verbs.taskWithPayload(tasks[0].id)
        #expect(earlier?.payload.response == ["u": 1])
        #expect(earlier?.task.resultCount == nil && earlier?.payload.results == nil)
        var done = Observation(.succeeded(partial: false), record: ["u": 2])
        done.results = [TaskResult(kind: .id, pointer: JSONPointer(tokens: ["u"]), value: 2)]
        _ = try await store.verbs.apply(.observed(done), to: tasks[1].id, at: now, nextDueAt: nil)
        #expect(try await store.verbs.taskWithPayload(tasks[1].id)?.payload.results == done.results)
        try store.close()
    }
}
