import Foundation
import GRDB
import Randomness
import SQLiteMigrations
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

@Suite struct SQLiteDriverTests {
    private let now = ManualTimeSource.start

    private func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
    private func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func open(_ path: String) -> Result<SQLiteDriver, TaskStoreError> {
        do throws(TaskStoreError) { return .success(try SQLiteDriver.open(path: path)) } catch {
            return .failure(error)
        }
    }

    /// A closed database with some tasks in it.
    private func database(in directory: TemporaryDirectory, tasks: Int = 30) async throws -> String {
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<tasks { _ = try await store.verbs.insert(.new(.task(number))) }
        try store.close()
        return path
    }

    // MARK: Opening

    @Test func `what was written is there when the file is opened again`() async throws {
        let directory = try TemporaryDirectory()
        let path = try await database(in: directory)
        let store = try SQLiteDriver.open(path: path)
        #expect(try await store.verbs.counts().map(\.count) == [30])
        #expect(try await store.info().path == path)
        #expect(try await store.info().sizeInBytes > 4_096)
        try store.close()
    }

    @Test func `what was written is there though the file was never closed`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<10 { _ = try await store.verbs.insert(.new(.task(number))) }
        // The files as a power failure leaves them: the database with its log.
        let copy = directory.file("copy.sqlite")
        for suffix in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix) }
        let next = try SQLiteDriver.open(path: copy)
        #expect(try await next.verbs.counts().map(\.count) == [10])
        try next.close()
        try store.close()
    }

    @Test func `a log that breaks off loses only what was not committed`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        _ = try await store.verbs.insert(.new(.task(0)))
        let log = try bytes(path + "-wal").count
        _ = try await store.verbs.insert(.new(.task(1)))
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        try write(Array(try bytes(path + "-wal").prefix(log + 100)), to: copy + "-wal")
        let next = try SQLiteDriver.open(path: copy)
        #expect(try await next.verbs.task(TrackedTask.task(0).id) != nil)
        #expect(try await next.verbs.task(TrackedTask.task(1).id) == nil)
        try next.close()
        try store.close()
    }

    @Test func `every file is its owner's alone`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        _ = try await store.verbs.insert(.new(.task(1)))
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(names) == ["pollux.sqlite", "pollux.sqlite-wal", "pollux.sqlite-shm", "pollux.generation"])
        for name in names {
            let mode = try FileManager.default.attributesOfItem(atPath: directory.file(name))[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
        try store.close()
    }

    @Test func `commits are on disk before they are told`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let (synchronous, journal, keys) = try await store.pool.write { db in
            (
                try Int.fetchOne(db, sql: "PRAGMA synchronous"), try String.fetchOne(db, sql: "PRAGMA journal_mode"),
                try Int.fetchOne(db, sql: "PRAGMA foreign_keys")
            )
        }
        #expect(synchronous == 2)
        #expect(journal == "wal")
        #expect(keys == 1)
        try store.close()
    }

    @Test func `a database that was closed is one whole file`() async throws {
        let directory = try TemporaryDirectory()
        let path = try await database(in: directory)
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let store = try SQLiteDriver.open(path: copy)
        #expect(try await store.verbs.counts().map(\.count) == [30])
        try store.close()
    }

    @Test func `a draft that was left behind is no obstacle`() async throws {
        let directory = try TemporaryDirectory()
        try write([1, 2, 3], to: directory.file("pollux.sqlite.new"))
        try write([1, 2, 3], to: directory.file("pollux.sqlite.new-journal"))
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        #expect(try await store.verbs.counts().isEmpty)
        try store.close()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(!names.contains { $0.contains(".new") })
    }

    // MARK: What must not be opened

    @Test func `a database of a newer version is refused as such`() async throws {
        let directory = try TemporaryDirectory()
        let path = try await database(in: directory)
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9999_from_the_future')") }
        try queue.close()
        #expect(throws: TaskStoreError.newer) { try SQLiteDriver.open(path: path) }
        let after = try DatabaseQueue(path: path)
        let (tasks, migrations) = try await after.read { db in
            (
                try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM task"),
                try String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations ORDER BY identifier")
            )
        }
        #expect(tasks == 30)
        #expect(migrations == EmbeddedMigrations.all.map(\.name) + ["9999_from_the_future"])
        try after.close()
    }

    @Test func `a database of another program is refused and left as it is`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue(path: path)
        try await queue.write {
            try $0.execute(sql: "CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('x')")
        }
        try queue.close()
        let before = try bytes(path)
        guard case .failure(.damaged(let what)) = open(path) else {
            Issue.record("it was opened")
            return
        }
        #expect(what.contains("another program"))
        #expect(try bytes(path) == before)
    }

    @Test func `an empty, foreign or broken file is refused and left as it is`() async throws {
        let directory = try TemporaryDirectory()
        let whole = try bytes(try await database(in: directory))
        var random = SeededRandom(seed: 1)
        let cases: [(String, [UInt8])] = [
            ("empty", []), ("one byte", [0]), ("text", Array("provider: xhuoapi\n".utf8)),
            ("noise", (0..<40_000).map { _ in UInt8.random(in: 0...255, using: &random) }),
            ("zeroes", [UInt8](repeating: 0, count: whole.count)), ("half", Array(whole.prefix(whole.count / 2))),
            ("header only", Array(whole.prefix(100))), ("one page", Array(whole.prefix(4_096))),
            ("one page short", Array(whole.dropLast(4_096))),
        ]
        for (name, bytes) in cases {
            let path = directory.file("\(name).sqlite")
            try write(bytes, to: path)
            guard case .failure(let error) = open(path) else {
                Issue.record("\(name) was opened")
                continue
            }
            #expect(error.code == "storage_damaged", "\(name): \(error)")
            #expect(try self.bytes(path) == bytes, "\(name)")
        }
    }

    @Test func `a page that was overwritten is noticed before it is trusted`() async throws {
        let directory = try TemporaryDirectory()
        let whole = try bytes(try await database(in: directory, tasks: 200))
        for page in 1..<(whole.count / 4_096) {
            var broken = whole
            for index in (page * 4_096)..<(page * 4_096 + 4_096) { broken[index] = 0xa5 }
            let path = directory.file("page-\(page).sqlite")
            try write(broken, to: path)
            guard case .failure(let error) = open(path) else {
                Issue.record("page \(page) was taken")
                continue
            }
            #expect(error.code == "storage_damaged", "page \(page): \(error)")
        }
    }

    @Test func `no flipped bit in the header makes an empty start`() async throws {
        let directory = try TemporaryDirectory()
        let whole = try bytes(try await database(in: directory))
        for bit in 0..<800 {
            var broken = whole
            broken[bit / 8] ^= 1 << UInt8(bit % 8)
            let path = directory.file("bit-\(bit).sqlite")
            try write(broken, to: path)
            // It is refused with words, or nothing was lost.
            if case .success(let store) = open(path) {
                let count = try? await store.verbs.counts().map(\.count)
                #expect(count == [30], "bit \(bit)")
                try store.close()
            }
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
    }

    @Test func `a log without its database is damage, not a new start`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<10 { _ = try await store.verbs.insert(.new(.task(number))) }
        let log = try bytes(path + "-wal")
        try store.close()
        // The database was moved away without its log.
        try FileManager.default.removeItem(atPath: path)
        try write(log, to: path + "-wal")
        guard case .failure(let error) = open(path) else {
            Issue.record("a new database was made beside a foreign log")
            return
        }
        #expect(error.code == "storage_damaged")
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try bytes(path + "-wal") == log)
    }

    // MARK: Trouble while running

    @Test func `a full disk is told as such, and what was there is safe`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let task = TrackedTask.task(1)
        _ = try await store.verbs.insert(.new(task))
        try await store.pool.write { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        let large = JSONValue.string(String(repeating: "x", count: 100_000))
        await #expect(throws: TaskStoreError.full) { _ = try await store.verbs.insert(.new(.task(2), request: large)) }
        #expect(try await store.verbs.task(TrackedTask.task(2).id) == nil)
        #expect(try await store.verbs.task(task.id) == task)
        try await store.pool.write { db in try db.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await store.verbs.insert(.new(.task(2), request: large)) == .created)
        try store.close()
    }

    @Test func `a database that may only be read is told as such`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await store.pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA query_only = ON") }
        await #expect(throws: TaskStoreError.readOnly) { _ = try await store.verbs.insert(.new(.task(1))) }
        try store.close()
    }

    @Test func `a path that cannot be written is told as such`() throws {
        let directory = try TemporaryDirectory()
        try write([], to: directory.file("file"))
        for path in [directory.file("missing/pollux.sqlite"), "/proc/pollux.sqlite"] {
            guard case .failure(let error) = open(path) else {
                Issue.record("\(path) was opened")
                continue
            }
            #expect(["storage_read_only", "storage_failed"].contains(error.code), "\(error)")
            #expect(error.message.hasSuffix("."))
        }
    }

    @Test(arguments: [
        (ResultCode.SQLITE_FULL, "storage_full"), (.SQLITE_IOERR_WRITE, "storage_full"),
        (.SQLITE_READONLY, "storage_read_only"),
        (.SQLITE_READONLY_DBMOVED, "storage_read_only"), (.SQLITE_BUSY, "storage_locked"),
        (.SQLITE_LOCKED, "storage_locked"),
        (.SQLITE_CORRUPT, "storage_damaged"), (.SQLITE_NOTADB, "storage_damaged"),
        (.SQLITE_IOERR_FSYNC, "storage_failed"),
        (.SQLITE_MISUSE, "storage_failed"),
    ])
    func `every trouble of SQLite has a word of ours`(code: ResultCode, word: String) {
        #expect(TaskStoreError(translating: DatabaseError(resultCode: code)).code == word)
    }

    @Test func `a write for a task that was cancelled still happens`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let writing = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(Task.isCancelled)
            return try await store.verbs.insert(.new(.task(1)))
        }
        #expect(try await writing.value == .created)
        let reading = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.verbs.task(TrackedTask.task(1).id)
        }
        #expect(try await reading.value != nil)
        try store.close()
    }

    @Test func `two hundred writers at once lose no task and no event`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { [now] in
                    let task = TrackedTask.task(number)
                    _ = try await store.verbs.insert(.new(task))
                    _ = try await store.verbs.apply(
                        .submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
                    let id = RemoteTaskID("r-\(number)") ?? { preconditionFailure("a valid id") }()
                    _ = try await store.verbs.apply(
                        .submissionAccepted(id, traceID: nil), to: task.id, at: now, nextDueAt: now)
                }
            }
            try await group.waitForAll()
        }
        let counts = try await store.verbs.counts()
        #expect(counts.map(\.count) == [200] && counts.map(\.state) == [.running])
        var sequences: Set<Int64> = []
        for number in 0..<200 {
            let events = try await store.verbs.events(of: TrackedTask.task(number).id, after: 0, limit: 9)
            #expect(events.map(\.entry.kind) == ["created", "submission_started", "submission_accepted"])
            sequences.formUnion(events.map(\.sequence))
        }
        #expect(sequences.count == 600)
        try store.close()
    }

    // MARK: Schema

    @Test func `counts equal those of the rows after every kind of change`() async throws {
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

    @Test func `wrong counts do not refuse a task, and are right again after a restart`()
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
            // Rows can also be removed by hand.
            try db.execute(sql: "UPDATE task_count SET count = 0; DELETE FROM task WHERE state = 'cancelled'")
        }
        try store.close()

        let next = try SQLiteDriver.open(path: path)
        let counts = try await next.verbs.counts().map { "\($0.state) \($0.endpoint) \($0.count)" }.sorted()
        #expect(counts == ["queued image/make 2"])
        try next.close()
    }

    @Test func `a record that is kept already is not even looked at`() async throws {
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

    @Test func `lists of any length are a few statements, which stay compiled`() async throws {
        let directory = try TemporaryDirectory()
        let prepared = Statements()
        var configuration = DatabaseFile.configuration
        configuration.prepareDatabase { db in
            db.trace(options: .statement) { event in
                if case .statement(let statement) = event { prepared.add(statement.sql) }
            }
        }
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"), configuration: configuration)
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
        // With one value or more of each: twice, and for labels none, one or more.
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

    @Test func `inserting and updating a task makes no tables on the way, and is still checked`() async throws {
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
                // Values are left open, as they are when SQLite prepares the statement.
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

    @Test func `the embedded migrations are the files of the folder`() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("migrations/sqlite")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
            .sorted()
        #expect(EmbeddedMigrations.all.map { $0.name + ".sql" } == files)
        for migration in EmbeddedMigrations.all {
            let text = try String(contentsOf: folder.appendingPathComponent(migration.name + ".sql"), encoding: .utf8)
            #expect(migration.sql == text)
        }
    }

    /// A database as the version left it that had so many migrations.
    private func database(at path: String, afterMigrations count: Int) async throws -> DatabaseQueue {
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA application_id = 0x504c4c58") }
        var migrator = DatabaseMigrator()
        for migration in EmbeddedMigrations.all.prefix(count) {
            migrator.registerMigration(migration.name) { db in try db.execute(sql: migration.sql) }
        }
        try migrator.migrate(queue)
        return queue
    }

    @Test
    func `an attempt of which only is known that the clock was set may have been at any time, and is measured anew`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try await database(at: path, afterMigrations: 8)
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

    @Test func `a database that the first version made still opens, with all that is in it`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try await database(at: path, afterMigrations: 1)
        let task = TrackedTask.task(1, state: .running)
        try await queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO task (id, endpoint, service, state, on_uncertain, remote_id, created_at_ms,
                      submitted_at_ms, next_due_at_ms, attempts, attempt_started_at_ms, attempt_ended_at_ms)
                    VALUES (?1, 'image/make', 'image', 'running', 'hold', 'remote-1', ?2, ?2, ?2, 1, ?2, ?2);
                    """, arguments: [task.id.text, now.milliseconds])
            try db.execute(
                sql: "INSERT INTO task_payload (task_key, request, response) VALUES (1, '{}', '{\"progress\":1}')")
        }
        try queue.close()
        let store = try SQLiteDriver.open(path: path)
        var expected = task
        // Its age still counts from the submission.
        expected.ageFrom = task.submittedAt
        #expect(try await store.verbs.task(task.id) == expected)
        #expect(try await store.verbs.statistics(of: task.endpoint).isEmpty)
        var noted = TrackedTask.task(2)
        noted.note = "written later"
        _ = try await store.verbs.insert(.new(noted))
        #expect(try await store.verbs.task(noted.id)?.note == "written later")
        // The stored record has no digest yet, so it is written once more.
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
    func `a database of each earlier schema opens, goes on, and takes entries about no task`(count: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try await database(at: path, afterMigrations: count)
        let task = TrackedTask.task(1, state: .running)
        try await queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO task (id, endpoint, service, state, on_uncertain, remote_id, created_at_ms,
                      submitted_at_ms, next_due_at_ms, attempts, attempt_started_at_ms, attempt_ended_at_ms)
                    VALUES (?1, 'image/make', 'image', 'running', 'hold', 'remote-1', ?2, ?2, ?2, 1, ?2, ?2);
                    """, arguments: [task.id.text, now.milliseconds])
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
        // What was changed in the text of the schema is whole.
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

    @Test func `pauses and breakers of a database without accounts go on with the account default`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try await database(at: path, afterMigrations: 15)
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

    @Test func `a task that succeeded before results were stored has none, and one that succeeds later has its own`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try await database(at: path, afterMigrations: 12)
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

    @Test func `a long value of a result is stored once, in the record`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let task = TrackedTask.task(1, state: .running)
        _ = try await store.verbs.insert(.new(task))
        let (long, short) = (JSONValue.string(String(repeating: "la ", count: 9_000)), JSONValue.string("la"))
        var done = Observation(.succeeded(partial: false), record: ["texts": [long, short], "nested": "{\"a\": 1}"])
        // A value that is not in the record is stored beside it at any length.
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

    @Test func `a result whose value is gone from the record is damage, and no empty result`() async throws {
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

    @Test func `a stored service name that is invalid is damage`() async throws {
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

    @Test func `the check of plans finds what reads or sorts too much`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let bad = [
            "SELECT id FROM task WHERE priority = ?", "SELECT COUNT(*) FROM event",
            "UPDATE task SET polls = ? WHERE polls = ?",
            "DELETE FROM task_label WHERE value = ?", "SELECT id FROM task WHERE endpoint = ? ORDER BY created_at_ms",
        ]
        for sql in bad { #expect(try await PlanCheck.plan(of: sql, in: store) != [], "\(sql)") }
        let good = ["SELECT id FROM task WHERE task_key = ?", "UPDATE task SET polls = ? WHERE id = ?"]
        for sql in good { #expect(try await PlanCheck.plan(of: sql, in: store) == [], "\(sql)") }
        try store.close()
    }
}
