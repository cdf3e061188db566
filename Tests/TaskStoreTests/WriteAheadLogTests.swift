import GRDB
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Sizes only: what the log may take, never how long anything takes.
@Suite struct WriteAheadLogTests {
    private let mark = Int64(WriteAheadLog.highMark) * 4_120
    private let interval = Int64(WriteAheadLog.interval) * 4_120

    private func with(_ body: (SQLiteDriver) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await body(store)
        try store.close()
    }

    private func logSize(of store: SQLiteDriver) -> Int64 { DatabaseFile.size(of: store.pool.path + "-wal") }

    /// Writes so much, in commits of about 50 pages, and returns how large the log was at most.
    private func write(megabytes: Int, to store: SQLiteDriver) async throws -> Int64 {
        var largest: Int64 = 0
        for _ in 0..<(megabytes * 5) {
            try await store.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO gate (kind, name, account, error_message, revision)
                        VALUES ('polls', 'x', 'default', hex(randomblob(100000)), 1)
                        ON CONFLICT (kind, name, account) DO UPDATE SET error_message = excluded.error_message
                        """)
            }
            largest = max(largest, logSize(of: store))
        }
        return largest
    }

    @Test func `the log stays small while commits go on`() async throws {
        try await with { (store) async throws in
            let largest = try await write(megabytes: 24, to: store)
            // One interval, and the commit that reaches it.
            #expect(largest < interval * 5 / 4, "\(largest)")
        }
    }

    @Test func `a read that takes long lets the log grow, and it begins anew once that is over`() async throws {
        try await with { (store) async throws in
            _ = try await write(megabytes: 1, to: store)
            let snapshot = try store.pool.makeSnapshot()
            let first = try await snapshot.read { db in
                try Int.fetchOne(db, sql: "SELECT length(error_message) FROM gate")
            }
            #expect(first == 200_000)
            #expect(try await write(megabytes: 20, to: store) > mark)
            try snapshot.close()
            // At the next interval it is copied and begun anew, and the file gives back what is above the mark.
            _ = try await write(megabytes: 6, to: store)
            #expect(logSize(of: store) <= mark)
        }
    }
}
