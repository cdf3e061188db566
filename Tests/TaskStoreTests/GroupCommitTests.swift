import Foundation
import GRDB
import StoreSQL
import Synchronization
import TaskModel
import TaskTesting
import Testing

@testable import SQLiteDriver
@testable import TaskStore

@Suite struct GroupCommitTests {
    private struct Refusal: Error {}

    /// The results of writes, in the order in which they were reported.
    private final class Reports: Sendable {
        private let stream: AsyncStream<(Int, Bool)>
        private let sink: AsyncStream<(Int, Bool)>.Continuation

        init() { (stream, sink) = AsyncStream.makeStream() }

        func add(_ number: Int, _ result: Result<Void, any Error>) {
            if case .success = result { sink.yield((number, true)) } else { sink.yield((number, false)) }
        }

        func first(_ count: Int) async -> [(number: Int, isStored: Bool)] {
            var reports: [(Int, Bool)] = []
            for await one in stream {
                reports.append(one)
                if reports.count == count { break }
            }
            return reports
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

    /// Enqueues all writes while the writer is busy, so that they form a group.
    private func enqueue(
        _ numbers: Range<Int>, on store: SQLiteDriver, to reports: Reports,
        onReport: @escaping @Sendable (Int) -> Void = { _ in },
        _ body: @escaping @Sendable (Int, Database) throws -> Void
    ) {
        store.pool.writeWithoutTransaction { _ in
            for number in numbers {
                store.writer.enqueue({ db in try body(number, db) }) { result in
                    onReport(number)
                    reports.add(number, result)
                }
            }
        }
    }

    private func noted(in store: SQLiteDriver) async throws -> [Int] {
        try await store.verbs.circuits().compactMap { Int($0.name) }.sorted()
    }

    @Test func `writes in the queue share one commit and are reported in order`() async throws {
        try await with { (store, _, traced) async throws in
            let reports = Reports()
            enqueue(0..<50, on: store, to: reports) { try Self.note($0, in: $1) }
            let answers = await reports.first(50)
            #expect(answers.map(\.number) == Array(0..<50))
            #expect(!answers.map(\.isStored).contains(false))
            #expect(traced.commits == 1)
            #expect(try await noted(in: store) == Array(0..<50))
        }
    }

    @Test func `a single write starts immediately and has no savepoint`() async throws {
        try await with { (store, _, traced) async throws in
            try await store.write { try Self.note(1, in: $0) }
            #expect(traced.all.count == 3, "\(traced.all)")
            #expect(traced.all.first?.hasPrefix("BEGIN IMMEDIATE") == true)
            #expect(traced.all.last?.hasPrefix("COMMIT") == true)
        }
    }

    @Test func `a group has a maximum size, and writes keep their order`() async throws {
        try await with { (store, _, traced) async throws in
            let count = GroupCommit.maxGroup * 2 + 1
            let reports = Reports()
            enqueue(0..<count, on: store, to: reports) { try Self.note($0, in: $1) }
            #expect(await reports.first(count).map(\.number) == Array(0..<count))
            #expect(traced.commits == 3)
        }
    }

    @Test func `a failed write rolls back only its own changes`() async throws {
        try await with { (store, _, traced) async throws in
            let reports = Reports()
            enqueue(0..<9, on: store, to: reports) { number, db in
                try Self.note(number, in: db)
                if number % 3 == 1 { throw Refusal() }
            }
            let answers = await reports.first(9)
            #expect(answers.filter(\.isStored).map(\.number) == [0, 2, 3, 5, 6, 8])
            #expect(try await noted(in: store) == [0, 2, 3, 5, 6, 8])
            #expect(traced.commits == 1)
        }
    }

    @Test func `only the stored writes of a group are counted, with one statement`()
        async throws
    {
        try await with { (store, _, traced) async throws in
            let reports = Reports()
            let endpoint = try #require(EndpointName("image/make"))
            enqueue(0..<9, on: store, to: reports) { number, db in
                store.writer.counter.add([TaskCountDelta(endpoint: endpoint, state: .queued, change: 1)])
                if number % 3 == 1 { throw Refusal() }
            }
            _ = await reports.first(9)
            let expected = [TaskCount(endpoint: endpoint, state: .queued, count: 6)]
            #expect(try await store.verbs.counts() == expected)
            #expect(traced.all.count { $0.contains("INTO task_count") } == 1)

            // The next group starts without old counts.
            enqueue(0..<2, on: store, to: reports) { try Self.note($0, in: $1) }
            _ = await reports.first(2)
            #expect(try await store.verbs.counts() == expected)
        }
    }

    @Test func `a write on its caller's thread commits together with the writes that arrived meanwhile`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"), writing: .callers)
        let reports = Reports()
        store.writer.enqueue({ db in
            try Self.note(0, in: db)
            store.writer.enqueue({ db in try Self.note(1, in: db) }) { reports.add(1, $0) }
        }) { reports.add(0, $0) }
        #expect(await reports.first(2).map(\.number) == [0, 1])
        #expect(try await noted(in: store) == [0, 1])
        try store.close()
    }

    @Test func `a failed commit fails all its writes, and the next commit succeeds`() async throws {
        try await with { (store, _, _) async throws in
            let reports = Reports()
            enqueue(0..<5, on: store, to: reports) { number, db in
                try Self.note(number, in: db)
                guard number == 2 else { return }
                // A broken reference that SQLite checks only at the commit.
                try db.execute(sql: "PRAGMA defer_foreign_keys = ON")
                try db.execute(
                    sql: "INSERT INTO event (task_key, at_ms, kind, to_state, detail) VALUES (4711, 0, 'x', 'x', '{}')")
            }
            let answers = await reports.first(5)
            #expect(answers.map(\.number) == Array(0..<5))
            #expect(!answers.map(\.isStored).contains(true))
            let left = try await noted(in: store)
            #expect(left.isEmpty)
            enqueue(5..<7, on: store, to: reports) { try Self.note($0, in: $1) }
            #expect(await reports.first(2).map(\.isStored) == [true, true])
            #expect(try await noted(in: store) == [5, 6])
        }
    }

    @Test func `when SQLite rolls back a transaction, the writes that had not run yet still run`() async throws {
        try await with { (store, _, _) async throws in
            let reports = Reports()
            enqueue(0..<6, on: store, to: reports) { number, db in
                if number == 3 {
                    // Fails as a full disk may: SQLite rolls back the transaction, not only the statement.
                    try db.execute(
                        sql:
                            "INSERT OR ROLLBACK INTO gate (kind, name, account, revision) VALUES ('polls', '0', 'default', 1)"
                    )
                }
                try Self.note(number, in: db)
            }
            let answers = await reports.first(6)
            #expect(answers.prefix(4).map(\.isStored) == [false, false, false, false])
            #expect(answers.suffix(2).map(\.isStored) == [true, true])
            #expect(answers.map(\.number) == Array(0..<6))
            #expect(try await noted(in: store) == [4, 5])
        }
    }

    @Test func `on a full disk exactly the writes that were reported as stored are stored`() async throws {
        try await with { (store, _, _) async throws in
            try await store.pool.write { db in
                let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                try db.execute(sql: "PRAGMA max_page_count = \(pages + 8)")
            }
            let reports = Reports()
            enqueue(0..<40, on: store, to: reports) { number, db in
                try Self.note(number, in: db)
                let size = number % 5 == 3 ? 100_000 : 10
                try db.execute(
                    sql: "UPDATE gate SET error_message = hex(zeroblob(?)) WHERE name = ?",
                    arguments: [size, "\(number)"])
            }
            let answers = await reports.first(40)
            #expect(answers.map(\.isStored).contains(false))
            #expect(try await noted(in: store) == answers.filter(\.isStored).map(\.number).sorted())
            try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
            try await store.verbs.save(CircuitState(kind: .polls, name: "99"))
        }
    }

    @Test func `a reported write is in the files as a crash would leave them`() async throws {
        try await with { (store, directory, _) async throws in
            let reports = Reports()
            let copy = directory.file("copy.sqlite")
            let path = store.pool.path
            enqueue(0..<20, on: store, to: reports) { number in
                // The first of the group is reported. The others share its commit, so they must be there too.
                guard number == 0 else { return }
                for suffix in ["", "-wal"] {
                    try? FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
                }
            } _: {
                try Self.note($0, in: $1)
            }
            #expect(await reports.first(20).count == 20)
            let crashed = try SQLiteDriver.open(path: copy)
            #expect(try await noted(in: crashed) == Array(0..<20))
            try crashed.close()
        }
    }

    @Test func `a read runs during a long write`() async throws {
        try await with { (store, _, _) async throws in
            try await store.verbs.save(CircuitState(kind: .polls, name: "1"))
            // The read runs inside the write and would hang if it waited for it.
            let seen = try await store.write { db in
                try Self.note(2, in: db)
                let names = "SELECT name FROM gate"
                return [
                    try store.readPool.readUnisolated { try String.fetchAll($0, .text(names)) },
                    try store.readPool.readSnapshot { try String.fetchAll($0, .text(names)) },
                    try store.pool.read { db in try String.fetchAll(db, sql: names) },
                ]
            }
            #expect(seen == [["1"], ["1"], ["1"]])
            #expect(try await noted(in: store) == [1, 2])
        }
    }
}
