import FoundationEssentials
import GRDB
import SQLiteRaw
import Synchronization
import TaskTesting
import Testing

@Suite struct ConnectionTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("raw.sqlite")
    }

    /// A connection with a write-ahead log.
    private func open() throws -> DatabaseQueue {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS number (n INTEGER)")
        }
        return queue
    }

    private var hasLog: Bool { FileManager.default.fileExists(atPath: path + "-wal") }

    @Test func `the hook runs after each commit with the growing size of the log`() throws {
        let queue = try open()
        let sizes = Mutex<[Int]>([])
        let hook = CommitHook { pages in sizes.withLock { $0.append(pages) } }
        try queue.writeWithoutTransaction { db in
            hook.attach(to: db)
            for number in 1...3 { try db.execute(sql: "INSERT INTO number (n) VALUES (?)", arguments: [number]) }
            try? db.inTransaction {
                try db.execute(sql: "INSERT INTO number (n) VALUES (4)")
                return .rollback
            }
        }
        let found = sizes.withLock { $0 }
        #expect(found.count == 3)
        #expect(found.first ?? 0 > 0 && found == found.sorted() && Set(found).count == 3)
        try queue.close()
        withExtendedLifetime(hook) {}
    }

    @Test func `the latest busy timeout of a connection applies`() throws {
        try DatabaseQueue().writeWithoutTransaction { db in
            for milliseconds in [50, 5_000] as [Int32] {
                db.setBusyTimeout(milliseconds: milliseconds)
                let found = try Int32.fetchOne(db, sql: "PRAGMA busy_timeout")
                #expect(found == milliseconds)
            }
        }
    }

    @Test func `the log file stays after a close only if requested`() throws {
        let first = try open()
        #expect(hasLog)
        try first.close()
        #expect(!hasLog)
        let second = try open()
        try second.writeWithoutTransaction { db in
            try db.execute(sql: "INSERT INTO number (n) VALUES (1)")
            db.keepLogOnClose()
        }
        try second.close()
        #expect(hasLog)
        let third = try open()
        #expect(try third.read { db in try Int.fetchAll(db, sql: "SELECT n FROM number") } == [1])
        try third.close()
    }
}
