import Foundation
import PostgresDriver
import PostgresTesting
import Randomness
import SQLiteDriver
import StoreExport
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Moves stores to a real PostgreSQL.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)))
struct StoreExportTests {
    private let now = ManualTimeSource.start
    private static let picture = Data((0..<90_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    /// A SQLite store with tasks of each kind, and an empty database of PostgreSQL.
    private struct Stores {
        let sqlite: SQLiteDriver
        let files: MemoryRecordFiles
        let address: PostgresAddress
        let server: PostgresServer
        let text: String

        var store: TaskStore { TaskStore(sqlite, files: files) }

        func move() throws(TaskStoreError) -> StoreExport.Outcome {
            try StoreExport(of: sqlite, files: files).run(to: address)
        }

        func count(_ table: String) throws -> Int {
            try Int(server.run("SELECT count(*) FROM \(table)", in: text).first ?? "") ?? -1
        }
    }

    private func with(_ body: (Stores) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let server = try PostgresServer.shared
        let text = try server.newDatabase()
        let stores = Stores(
            sqlite: try SQLiteDriver.open(path: directory.file("pollux.sqlite")), files: MemoryRecordFiles(),
            address: try PostgresAddress(text), server: server, text: text)
        try await fill(stores.store)
        try await body(stores)
        try stores.sqlite.close()
        try server.drop(text)
    }

    private var tasks: [TrackedTask] { (1...40).map { TrackedTask.task($0, labels: ["shot": "\($0)"]) } }

    /// Random events fill most tables and columns; the rest is put in by hand.
    private func fill(_ store: TaskStore) async throws {
        var random = SeededRandom(seed: 7)
        for (number, task) in tasks.enumerated() {
            _ = try await store.insert(
                .new(task, request: ["prompt": .string("caf\u{E9} \0 \(number)")], key: "key \(number)"))
        }
        for step in 0..<400 {
            let task = tasks[Int.random(in: tasks.indices, using: &random)]
            _ = try await store.apply(
                TaskEvent.random(using: &random), to: task.id, under: .testing, at: now + .seconds(step),
                nextDueAt: Bool.random(using: &random) ? now : nil)
        }
        let long = TrackedTask.task(50, state: .running)
        _ = try await store.insert(.new(long))
        let record: JSONValue = [
            "image": .string("data:image/png;base64," + Self.picture.base64EncodedString()), "n": 1,
        ]
        _ = try await store.apply(
            .observed(Observation(.succeeded(partial: false), record: record)), to: long.id, at: now, nextDueAt: nil)
        try await store.save(CircuitState(kind: .polls, name: "image/make"))
        let exchange = PassedSubmission.Arrival(
            contentKey: [UInt8](repeating: 1, count: 32), mark: 1, since: now, isCountedRetry: false, mayJoin: true,
            rule: JoinRule())
        _ = try await store.submit(
            PassedSubmission(
                task: .new(.task(51)), message: PassedMessage(query: "a=b", headers: ["x": "y"]), arrival: exchange),
            after: [], at: now)
    }

    @Test func `every task, key, record and line arrives, and goes on where it was`() async throws {
        try await with { stores in
            let outcome = try stores.move()
            #expect(!outcome.wasMovedBefore)
            #expect(outcome.rows["task"] == 42 && outcome.rows["idempotency_key"] == 40)
            #expect(outcome.rows["record_part"] == 1)
            let driver = try PostgresDriver.open(stores.address)
            let (old, new) = (stores.store, TaskStore(driver))
            for task in tasks + [.task(50), .task(51)] {
                let (before, after) = (try await old.taskWithPayload(task.id), try await new.taskWithPayload(task.id))
                #expect(before?.task == after?.task)
                #expect(before?.payload.response == after?.payload.response)
                #expect(
                    try await old.events(of: task.id, after: 0, limit: 999)
                        == new.events(of: task.id, after: 0, limit: 999))
            }
            #expect(try await Set(old.counts()) == Set(new.counts()))
            // A text has no U+0000 there.
            let request = try await new.taskWithPayload(tasks[3].id)?.payload.request
            #expect(request?.text.hasPrefix("{\"prompt\":\"caf\u{E9} ") ?? false, "\(request?.text ?? "")")
            // An old key names its task, and new numbers follow the old ones.
            let repeated = try await new.insert(.new(.task(900), key: "key 3"))
            #expect(repeated == .keyInUse(by: tasks[3].id, sameBody: true))
            let last = try await old.events(of: TrackedTask.task(51).id, after: 0, limit: 9).last?.sequence ?? 0
            #expect(try await new.insert(.new(.task(901))) == .created)
            let line = try await new.events(of: TrackedTask.task(901).id, after: 0, limit: 9).first
            #expect(line?.sequence == last + 1)
            await driver.close()
        }
    }

    @Test func `the old database sends nothing any more, and the new one is no copy`() async throws {
        try await with { stores in
            let directory = try TemporaryDirectory()
            _ = try stores.move()
            let old = TaskStore(stores.sqlite, witness: WitnessFile(in: directory.path))
            let mode = try await old.checkWitness(newEpoch: "e", at: now).mode
            #expect(mode?.reason.contains("were moved to postgres://") ?? false, "\(String(describing: mode))")
            let driver = try PostgresDriver.open(stores.address)
            let other = try TemporaryDirectory()
            let new = TaskStore(driver, witness: WitnessFile(in: other.path))
            #expect(try await new.checkWitness(newEpoch: "f", at: now).mode == nil)
            await driver.close()
        }
    }

    @Test func `another call tells that the tasks were moved, and refuses a database that has changed`() async throws {
        try await with { stores in
            let first = try stores.move()
            let again = try stores.move()
            #expect(again.wasMovedBefore && again.rows == first.rows)
            let driver = try PostgresDriver.open(stores.address)
            _ = try await TaskStore(driver).insert(.new(.task(901)))
            await driver.close()
            #expect(throws: TaskStoreError.self) { try stores.move() }
            #expect(try stores.count("task") == 43)
        }
    }

    @Test func `a database that is not empty is refused, and the old one stays in use`() async throws {
        try await with { stores in
            let driver = try PostgresDriver.open(stores.address)
            _ = try await TaskStore(driver).insert(.new(.task(901)))
            await driver.close()
            #expect(throws: TaskStoreError.self) { try stores.move() }
            let directory = try TemporaryDirectory()
            let store = TaskStore(stores.sqlite, witness: WitnessFile(in: directory.path))
            #expect(try await store.checkWitness(newEpoch: "e", at: now).mode == nil)
        }
    }

    @Test func `a file that is missing stops the move, and nothing is stored`() async throws {
        try await with { stores in
            let digest = try #require(stores.files.digests.first)
            stores.files.put(nil, as: digest)
            #expect(throws: TaskStoreError.self) { try stores.move() }
            #expect(try stores.count("task") == 0)
            stores.files.put(Array(Self.picture), as: digest)
            #expect(try stores.move().rows["task"] == 42)
        }
    }

    @Test func `contents of records are removed from the database with the last record that has them`() async throws {
        try await with { stores in
            _ = try stores.move()
            let driver = try PostgresDriver.open(stores.address)
            let store = TaskStore(driver)
            #expect(try stores.count("part_content") == 1)
            _ = try await store.removeDetails(of: TrackedTask.task(50).id, at: now)
            #expect(try await store.partsToRemove(limit: 10).isEmpty)
            #expect(try stores.count("part_content") == 0)
            #expect(try stores.count("part_removal") == 0)
            await driver.close()
        }
    }
}
