import Foundation
import GRDB
import Synchronization
import TaskModel
import TaskTesting
import Testing

@testable import SQLiteDriver
@testable import TaskStore

@Suite struct GroupCommitTests {
    private struct Refusal: Error {}

    /// What writes were told, in the order in which they were told.
    private final class Told: Sendable {
        private let stream: AsyncStream<(Int, Bool)>
        private let sink: AsyncStream<(Int, Bool)>.Continuation

        init() { (stream, sink) = AsyncStream.makeStream() }

        func tell(_ number: Int, _ result: Result<Void, any Error>) {
            if case .success = result { sink.yield((number, true)) } else { sink.yield((number, false)) }
        }

        func first(_ count: Int) async -> [(number: Int, isStored: Bool)] {
            var told: [(Int, Bool)] = []
            for await one in stream {
                told.append(one)
                if told.count == count { break }
            }
            return told
        }
    }

    private func with(
        _ body: (SQLiteDriver, TemporaryDirectory, Statements) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let traced = Statements()
        try await store.pool.writeWithoutTransaction { db in
            db.trace(options: .statement) { traced.add($0.expandedDescription) }
        }
        try await body(store, directory, traced)
        try store.close()
    }

    private static func note(_ number: Int, in db: Database) throws {
        try db.execute(
            sql: "INSERT INTO gate (kind, name, account, failures, revision) VALUES ('polls', ?, 'default', 0, 1)",
            arguments: ["\(number)"])
    }

    /// Puts all in the queue while the writer is busy, so that they meet there.
    private func enqueue(
        _ numbers: Range<Int>, on store: SQLiteDriver, telling told: Told,
        onTelling: @escaping @Sendable (Int) -> Void = { _ in },
        _ body: @escaping @Sendable (Int, Database) throws -> Void
    ) {
        store.pool.writeWithoutTransaction { _ in
            for number in numbers {
                store.writer.enqueue({ db in try body(number, db) }) { result in
                    onTelling(number)
                    told.tell(number, result)
                }
            }
        }
    }

    private func noted(in store: SQLiteDriver) async throws -> [Int] {
        try await store.verbs.circuits().compactMap { Int($0.name) }.sorted()
    }

    @Test func `writes that meet share one commit, and are told in their order`() async throws {
        try await with { (store, _, traced) async throws in
            let told = Told()
            enqueue(0..<50, on: store, telling: told) { try Self.note($0, in: $1) }
            let answers = await told.first(50)
            #expect(answers.map(\.number) == Array(0..<50))
            #expect(!answers.map(\.isStored).contains(false))
            #expect(traced.commits == 1)
            #expect(try await noted(in: store) == Array(0..<50))
        }
    }

    @Test func `a write that is alone begins at once and has no savepoint`() async throws {
        try await with { (store, _, traced) async throws in
            try await store.write { try Self.note(1, in: $0) }
            #expect(traced.all.count == 3, "\(traced.all)")
            #expect(traced.all.first?.hasPrefix("BEGIN IMMEDIATE") == true)
            #expect(traced.all.last?.hasPrefix("COMMIT") == true)
        }
    }

    @Test func `a group has a size, and who came first goes first`() async throws {
        try await with { (store, _, traced) async throws in
            let count = GroupCommit.maxGroup * 2 + 1
            let told = Told()
            enqueue(0..<count, on: store, telling: told) { try Self.note($0, in: $1) }
            #expect(await told.first(count).map(\.number) == Array(0..<count))
            #expect(traced.commits == 3)
        }
    }

    @Test func `a write that fails takes back only what it did itself`() async throws {
        try await with { (store, _, traced) async throws in
            let told = Told()
            enqueue(0..<9, on: store, telling: told) { number, db in
                try Self.note(number, in: db)
                if number % 3 == 1 { throw Refusal() }
            }
            let answers = await told.first(9)
            #expect(answers.filter(\.isStored).map(\.number) == [0, 2, 3, 5, 6, 8])
            #expect(try await noted(in: store) == [0, 2, 3, 5, 6, 8])
            #expect(traced.commits == 1)
        }
    }

    @Test func `of a group in which writes fail, those that are stored are counted, together and with few statements`()
        async throws
    {
        try await with { (store, _, traced) async throws in
            let told = Told()
            let endpoint = try #require(EndpointName("image/make"))
            enqueue(0..<9, on: store, telling: told) { number, db in
                store.writer.counter.add([TaskCountDelta(endpoint: endpoint, state: .queued, change: 1)])
                if number % 3 == 1 { throw Refusal() }
            }
            _ = await told.first(9)
            let expected = [TaskCount(endpoint: endpoint, state: .queued, count: 6)]
            #expect(try await store.verbs.counts() == expected)
            #expect(traced.all.count { $0.contains("INTO task_count") } == 1)

            // What comes next begins from nothing.
            enqueue(0..<2, on: store, telling: told) { try Self.note($0, in: $1) }
            _ = await told.first(2)
            #expect(try await store.verbs.counts() == expected)
        }
    }

    @Test func `a write on its caller's thread commits together with the writes that arrived meanwhile`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"), writing: .callers)
        let told = Told()
        store.writer.enqueue({ db in
            try Self.note(0, in: db)
            store.writer.enqueue({ db in try Self.note(1, in: db) }) { told.tell(1, $0) }
        }) { told.tell(0, $0) }
        #expect(await told.first(2).map(\.number) == [0, 1])
        #expect(try await noted(in: store) == [0, 1])
        try store.close()
    }

    @Test func `a commit that fails fails all who share it, and the next one is sound`() async throws {
        try await with { (store, _, _) async throws in
            let told = Told()
            enqueue(0..<5, on: store, telling: told) { number, db in
                try Self.note(number, in: db)
                guard number == 2 else { return }
                // A broken reference that SQLite looks at only when it commits.
                try db.execute(sql: "PRAGMA defer_foreign_keys = ON")
                try db.execute(
                    sql: "INSERT INTO event (task_key, at_ms, kind, to_state, detail) VALUES (4711, 0, 'x', 'x', '{}')")
            }
            let answers = await told.first(5)
            #expect(answers.map(\.number) == Array(0..<5))
            #expect(!answers.map(\.isStored).contains(true))
            let left = try await noted(in: store)
            #expect(left.isEmpty)
            enqueue(5..<7, on: store, telling: told) { try Self.note($0, in: $1) }
            #expect(await told.first(2).map(\.isStored) == [true, true])
            #expect(try await noted(in: store) == [5, 6])
        }
    }

    @Test func `when SQLite gives up the transaction half-way, those who had no turn yet get theirs`() async throws {
        try await with { (store, _, _) async throws in
            let told = Told()
            enqueue(0..<6, on: store, telling: told) { number, db in
                if number == 3 {
                    // Fails in the way in which a full disk may: not the statement, the transaction is rolled back.
                    try db.execute(
                        sql:
                            "INSERT OR ROLLBACK INTO gate (kind, name, account, revision) VALUES ('polls', '0', 'default', 1)"
                    )
                }
                try Self.note(number, in: db)
            }
            let answers = await told.first(6)
            #expect(answers.prefix(4).map(\.isStored) == [false, false, false, false])
            #expect(answers.suffix(2).map(\.isStored) == [true, true])
            #expect(answers.map(\.number) == Array(0..<6))
            #expect(try await noted(in: store) == [4, 5])
        }
    }

    @Test func `on a full disk what was told to be stored is stored, and nothing else`() async throws {
        try await with { (store, _, _) async throws in
            try await store.pool.write { db in
                let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                try db.execute(sql: "PRAGMA max_page_count = \(pages + 8)")
            }
            let told = Told()
            enqueue(0..<40, on: store, telling: told) { number, db in
                try Self.note(number, in: db)
                let size = number % 5 == 3 ? 100_000 : 10
                try db.execute(
                    sql: "UPDATE gate SET error_message = hex(zeroblob(?)) WHERE name = ?",
                    arguments: [size, "\(number)"])
            }
            let answers = await told.first(40)
            #expect(answers.map(\.isStored).contains(false))
            #expect(try await noted(in: store) == answers.filter(\.isStored).map(\.number).sorted())
            try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
            try await store.verbs.save(CircuitState(kind: .polls, name: "99"))
        }
    }

    @Test func `a subscriber finds a reported change in the files as a crash leaves them`() async throws {
        try await with { (store, directory, _) async throws in
            let told = Told()
            let copy = directory.file("copy.sqlite")
            let path = store.pool.path
            enqueue(0..<20, on: store, telling: told) { number in
                // Told first of its group, and the others must be there as well: they share the commit.
                guard number == 0 else { return }
                for suffix in ["", "-wal"] {
                    try? FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
                }
            } _: {
                try Self.note($0, in: $1)
            }
            #expect(await told.first(20).count == 20)
            let crashed = try SQLiteDriver.open(path: copy)
            #expect(try await noted(in: crashed) == Array(0..<20))
            try crashed.close()
        }
    }

    @Test func `a read goes on while a write takes long`() async throws {
        try await with { (store, _, _) async throws in
            try await store.verbs.save(CircuitState(kind: .polls, name: "1"))
            // The read happens inside the write, so it would hang here if it waited for it.
            let seen = try await store.write { db in
                try Self.note(2, in: db)
                func names(_ reader: Database) throws -> [String] {
                    try String.fetchAll(reader, sql: "SELECT name FROM gate")
                }
                return [
                    try store.readPool.readUnisolated { db, _ in try names(db) },
                    try store.readPool.readSnapshot { db, _ in try names(db) },
                    try store.pool.read(names),
                ]
            }
            #expect(seen == [["1"], ["1"], ["1"]])
            #expect(try await noted(in: store) == [1, 2])
        }
    }
}
