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

/// Tests files that must not be opened.
@Suite struct InvalidDatabaseTests: DatabaseFixture {
    @Test func `a database of a newer version is refused and unchanged`() async throws {
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

    @Test func `a database of another program is refused and unchanged`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue(path: path)
        try await queue.write {
            try $0.execute(sql: "CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('x')")
        }
        try queue.close()
        let before = try bytes(path)
        guard case .failure(.damaged(let what)) = open(path) else {
            Issue.record("the database was opened")
            return
        }
        #expect(what.contains("another program"))
        #expect(try bytes(path) == before)
    }

    @Test func `an empty, foreign or damaged file is refused and unchanged`() async throws {
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

    @Test func `a damaged page is found before the database is used`() async throws {
        let directory = try TemporaryDirectory()
        let whole = try bytes(try await database(in: directory, tasks: 200))
        for page in 1..<(whole.count / 4_096) {
            var broken = whole
            for index in (page * 4_096)..<(page * 4_096 + 4_096) { broken[index] = 0xa5 }
            let path = directory.file("page-\(page).sqlite")
            try write(broken, to: path)
            guard case .failure(let error) = open(path) else {
                Issue.record("the damaged page \(page) was not found")
                continue
            }
            #expect(error.code == "storage_damaged", "page \(page): \(error)")
        }
    }

    @Test func `a database with a flipped bit in its header is refused or complete`() async throws {
        let directory = try TemporaryDirectory()
        let whole = try bytes(try await database(in: directory))
        for bit in 0..<800 {
            var broken = whole
            broken[bit / 8] ^= 1 << UInt8(bit % 8)
            let path = directory.file("bit-\(bit).sqlite")
            try write(broken, to: path)
            // The database is refused, or nothing was lost.
            if case .success(let store) = open(path) {
                let count = try? await store.verbs.counts().map(\.count)
                #expect(count == [30], "bit \(bit)")
                try store.close()
            }
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
    }

    @Test func `a log without its database is damage and no new database is created`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<10 { _ = try await store.verbs.insert(.new(.task(number))) }
        let log = try bytes(path + "-wal")
        try store.close()
        // The database is moved away without its log.
        try FileManager.default.removeItem(atPath: path)
        try write(log, to: path + "-wal")
        guard case .failure(let error) = open(path) else {
            Issue.record("a new database was created beside the log")
            return
        }
        #expect(error.code == "storage_damaged")
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try bytes(path + "-wal") == log)
    }
}
