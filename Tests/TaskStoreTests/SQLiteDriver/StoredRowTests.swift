import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

/// Tests the stored rows, and the statements that read and write them.
@Suite struct StoredRowTests: DatabaseFixture {
    @Test func `the stored counts equal the rows after changes`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<9 {
            _ = try await store.verbs.insert(.new(.task(number, endpoint: number < 4 ? "image/make" : "video/make")))
        }
        for number in 0..<5 {
            _ = try await store.verbs.apply(.cancelRequested, to: TrackedTask.task(number).id, at: now, nextDueAt: nil)
        }
        let (kept, counted) = try await store.pool.write { db in
            try db.execute(sql: "DELETE FROM task WHERE id = ?", arguments: [TrackedTask.task(8).id.text])
            let columns = "state || ' ' || endpoint || ' ' || "
            return (
                try String.fetchSet(db, sql: "SELECT \(columns) count FROM task_count WHERE count > 0"),
                try String.fetchSet(db, sql: "SELECT \(columns) COUNT(*) FROM task GROUP BY state, endpoint")
            )
        }
        #expect(kept == counted)
        #expect(kept == ["cancelled image/make 4", "cancelled video/make 1", "queued video/make 3"])
        try store.close()
    }

    @Test func `wrong counts do not prevent a change and are corrected by a restart`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<3 { _ = try await store.verbs.insert(.new(.task(number, endpoint: "image/make"))) }
        try await store.pool.write { db in try db.execute(sql: "UPDATE task_count SET count = 0") }
        _ = try await store.verbs.apply(.cancelRequested, to: TrackedTask.task(0).id, at: now, nextDueAt: nil)
        try await store.pool.write { db in
            try db.execute(
                sql: """
                    INSERT INTO task_count (state, endpoint, account, count) VALUES ('running', 'no/such', 'default', 7)
                    """)
            // Rows may also be removed by hand.
            try db.execute(sql: "UPDATE task_count SET count = 0; DELETE FROM task WHERE state = 'cancelled'")
        }
        try store.close()

        let next = try SQLiteDriver.open(path: path)
        let counts = try await next.verbs.counts().map { "\($0.state) \($0.endpoint) \($0.count)" }.sorted()
        #expect(counts == ["queued image/make 2"])
        try next.close()
    }

    @Test func `an unchanged record is neither read nor written`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let traced = try await Statements(of: store)
        let task = TrackedTask.task(1, state: .running)
        _ = try await store.verbs.insert(.new(task, response: ["progress": 1]))
        func touches(_ observation: Observation) async throws -> Int {
            traced.forget()
            _ = try await store.verbs.apply(.observed(observation), to: task.id, at: now, nextDueAt: now)
            return traced.all.count { $0.contains("task_payload") }
        }
        #expect(try await touches(Observation(.pending, record: ["progress": 1])) == 0)
        #expect(try await touches(Observation(.pending, record: ["progress": 2])) == 1)
        #expect(try await touches(Observation(.pending, record: ["progress": 2])) == 0)
        #expect(try await touches(Observation(.succeeded(partial: false), record: ["progress": 100])) == 1)
        #expect(try await store.verbs.taskWithPayload(task.id)?.payload.response == ["progress": 100])
        try store.close()
    }

    @Test func `filters of any length use a few cached statements`() async throws {
        let directory = try TemporaryDirectory()
        let prepared = Statements()
        let store = try SQLiteDriver.open(
            path: directory.file("pollux.sqlite"), configuration: prepared.configuration)
        _ = try await store.verbs.insert(
            .new(.task(1, endpoint: "image/make", labels: ["l1": "1", "l2": "2", "l3": "3"])))
        let endpoints = (0..<2_499).compactMap { EndpointName("image/e\($0)") }
        prepared.forget()
        for count in Array(1...40) + [100, 999, 2_498, 2_499] {
            var filter = TaskFilter()
            filter.endpoints = Array(endpoints.prefix(count))
            filter.states = Array(TaskState.allCases.prefix(count % 9))
            filter.labels = Dictionary(uniqueKeysWithValues: (0..<count % 33).map { ("l\($0)", "\($0)") })
            _ = try await store.verbs.tasks(matching: filter, after: nil, limit: 9)
        }
        // Two forms each for states and endpoints, three for labels.
        let lists = Set(prepared.all.filter { $0.contains("FROM task") })
        #expect(lists.count <= 12, "\(lists.count)")

        var filter = TaskFilter()
        filter.endpoints = endpoints + [try #require(EndpointName("image/make"))]
        filter.labels = ["l1": "1", "l2": "2", "l3": "3"]
        #expect(try await store.verbs.tasks(matching: filter, after: nil, limit: 9).tasks.count == 1)
        filter.labels["l2"] = "3"
        #expect(try await store.verbs.tasks(matching: filter, after: nil, limit: 9).tasks.isEmpty)
        try store.close()
    }

    @Test func `inserting and updating a task uses no temporary table, and constraints still apply`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let traced = try await Statements(of: store)
        _ = try await store.verbs.insert(.new(.task(1)))
        let id = TrackedTask.task(1).id
        _ = try await store.verbs.apply(.submissionStarted(), to: id, under: .testing, at: now, nextDueAt: now)
        _ = try await store.verbs.apply(
            .submissionAccepted(try #require(RemoteTaskID("r1")), traceID: nil), to: id, at: now, nextDueAt: now)
        try await store.pool.writeWithoutTransaction { db in
            db.trace()
            let writes = traced.all.filter { $0.hasPrefix("INSERT INTO task ") || $0.hasPrefix("UPDATE task ") }
            #expect(writes.count == 3)
            for sql in writes {
                // Without values, as when SQLite prepares the statement.
                let statement = try db.makeStatement(sql: "EXPLAIN " + sql)
                statement.setUncheckedArguments(StatementArguments())
                let steps = try Row.fetchAll(statement).map { $0["opcode"] as String }
                #expect(!steps.contains("OpenEphemeral"), "\(sql)")
            }
            for (column, value) in [("state", "gone"), ("on_uncertain", "guess"), ("outcome_source", "hearsay")] {
                #expect(throws: DatabaseError.self, "\(column)") {
                    try db.execute(sql: "UPDATE task SET \(column) = ?", arguments: [value])
                }
            }
            #expect(throws: DatabaseError.self) { try db.execute(sql: "UPDATE task SET next_due_at_ms = NULL") }
            #expect(throws: DatabaseError.self) { try db.execute(sql: "UPDATE task SET ended_at_ms = 1") }
            #expect(try String.fetchAll(db, sql: "PRAGMA integrity_check") == ["ok"])
        }
        try store.close()
    }

    @Test func `a long value of a result is stored only in the record`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let task = TrackedTask.task(1, state: .running)
        _ = try await store.verbs.insert(.new(task))
        let (long, short) = (JSONValue.string(String(repeating: "la ", count: 9_000)), JSONValue.string("la"))
        var done = Observation(.succeeded(partial: false), record: ["texts": [long, short], "nested": "{\"a\": 1}"])
        // A value that is not in the record is stored in the row at any length.
        let built = JSONValue.string("https://cdn.example/" + String(repeating: "p", count: 2_000))
        done.results = [
            TaskResult(kind: .text, pointer: JSONPointer(tokens: ["texts", "0"]), value: long),
            TaskResult(kind: .text, pointer: JSONPointer(tokens: ["texts", "1"]), value: short),
            TaskResult(kind: .url, pointer: .init(tokens: ["nested"]), value: built, mediaType: "video/*"),
        ]
        _ = try await store.verbs.apply(.observed(done), to: task.id, at: now, nextDueAt: nil)
        let values = try await store.pool.read { db in
            try Row.fetchAll(db, sql: "SELECT value FROM task_result ORDER BY ordinal").map { $0["value"] as String? }
        }
        #expect(values == [nil, short.text, built.text])
        #expect(try await store.verbs.taskWithPayload(task.id)?.payload.results == done.results)
        try store.close()
    }

    @Test func `a result whose value is missing in the record is damage`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let task = TrackedTask.task(1, state: .running)
        _ = try await store.verbs.insert(.new(task))
        let long = JSONValue.string(String(repeating: "la ", count: 9_000))
        var done = Observation(.succeeded(partial: false), record: ["text": long])
        done.results = [TaskResult(kind: .text, pointer: JSONPointer(tokens: ["text"]), value: long)]
        _ = try await store.verbs.apply(.observed(done), to: task.id, at: now, nextDueAt: nil)
        try await store.write { db in try db.execute(sql: "UPDATE task_payload SET response = '{}'") }
        await #expect(throws: TaskStoreError.damaged("a stored result cannot be read")) {
            _ = try await store.verbs.taskWithPayload(task.id)
        }
        try store.close()
    }

    @Test func `an invalid stored service name is damage`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        var task = TrackedTask.task(1, state: .running)
        task.nextDueAt = now
        _ = try await store.verbs.insert(.new(task))
        #expect(try await store.verbs.services(in: .running) == ["image"])
        try await store.write { db in try db.execute(sql: "UPDATE task SET service = 'a b'") }
        await #expect(throws: TaskStoreError.damaged("the service name \"a b\" is invalid")) {
            _ = try await store.verbs.services(in: .running)
        }
        try store.close()
    }

    @Test func `the plan check finds scans, sorts and comparisons of several columns`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let bad = [
            "SELECT id FROM task WHERE priority = ?", "SELECT COUNT(*) FROM event",
            "UPDATE task SET polls = ? WHERE polls = ?",
            "DELETE FROM task_label WHERE value = ?", "SELECT id FROM task WHERE endpoint = ? ORDER BY created_at_ms",
            """
            SELECT service FROM task WHERE state = 'running' AND next_due_at_ms IS NOT NULL AND (service, account) > (?, ?)
            """,
        ]
        for sql in bad { #expect(try await PlanCheck.plan(of: sql, in: store) != [], "\(sql)") }
        let good = ["SELECT id FROM task WHERE task_key = ?", "UPDATE task SET polls = ? WHERE id = ?"]
        for sql in good { #expect(try await PlanCheck.plan(of: sql, in: store) == [], "\(sql)") }
        try store.close()
    }
}
