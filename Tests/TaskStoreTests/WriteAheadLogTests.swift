import GRDB
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Tests the size of the write-ahead log.
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

    /// Writes in commits of about 50 pages and returns the largest size of the log.
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

    @Test func `the log stays small during commits`() async throws {
        try await with { (store) async throws in
            let largest = try await write(megabytes: 24, to: store)
            // One interval and the commit that exceeds it.
            #expect(largest < interval * 5 / 4, "\(largest)")
        }
    }

    @Test func `the log grows during a long read and shrinks after it`() async throws {
        try await with { (store) async throws in
            _ = try await write(megabytes: 1, to: store)
            let snapshot = try store.pool.makeSnapshot()
            let first = try await snapshot.read { db in
                try Int.fetchOne(db, sql: "SELECT length(error_message) FROM gate")
            }
            #expect(first == 200_000)
            #expect(try await write(megabytes: 20, to: store) > mark)
            try snapshot.close()
            // At the next interval the log is checkpointed and restarted, and the file is truncated to the mark.
            _ = try await write(megabytes: 6, to: store)
            #expect(logSize(of: store) <= mark)
        }
    }
}
