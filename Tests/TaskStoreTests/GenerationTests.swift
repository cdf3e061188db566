import Foundation
import GRDB
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

/// Tests that a database, its log and its state directory must belong together.
@Suite struct GenerationTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("pollux.sqlite")
    }

    /// Opens a database with a checkpoint after every few commits.
    private func open(_ path: String, mayBegin: Bool = false) throws(TaskStoreError) -> SQLiteDriver {
        try SQLiteDriver.open(
            path: path, configuration: DatabaseFile.configuration, mayBegin: mayBegin, copyingLogEvery: 12)
    }

    private func refusal(_ path: String, mayBegin: Bool = false) -> TaskStoreError? {
        do throws(TaskStoreError) {
            let store = try open(path, mayBegin: mayBegin)
            try store.close()
        } catch {
            return error
        }
        return nil
    }

    private func insert(_ numbers: Range<Int>, into store: SQLiteDriver) async throws {
        for number in numbers {
            _ = try await store.verbs.insert(
                .new(.task(number), request: .string(String(repeating: "x", count: 9_000))))
        }
    }

    private func tasks(in store: SQLiteDriver) async throws -> Set<Int> {
        let ids = Set(try await store.verbs.tasks(matching: TaskFilter(), after: nil, limit: 500).tasks.map(\.task.id))
        let report = try await store.pool.read { db in try String.fetchOne(db, sql: "PRAGMA integrity_check") }
        #expect(report == "ok")
        return Set((0..<200).filter { ids.contains(TrackedTask.task($0).id) })
    }

    private func remove(_ suffixes: String...) {
        for suffix in suffixes { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    // MARK: Crashes

    /// A copy of the files at one moment, with the number of tasks acknowledged before.
    private struct Image {
        let name: String
        let call: String
        let acknowledged: Int
    }

    @Test func `a database opens with every acknowledged task after a crash between any two system calls`() async throws
    {
        let store = try open(path)
        let disk = Disk(of: directory.path)
        let images = Mutex<[Image]>([])
        let acknowledged = Atomic(0)
        let seen = Atomic(0)
        let place = directory.file("images")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let (path, reals) = (path, URL(filePath: path).resolvingSymlinksInPath().path)
        disk.hook { call, file in
            // The log is written in hundreds of small parts, of which some are enough.
            let number = images.withLock { $0.count }
            let isSmall = call == "pwrite" && file == reals + "-wal"
            if isSmall, seen.wrappingAdd(1, ordering: .relaxed).oldValue % 6 != 0 { return 0 }
            try? Disk.copy(path, to: place + "/\(number).sqlite")
            images.withLock {
                $0.append(
                    Image(
                        name: "\(number)", call: "\(call) \(file)",
                        acknowledged: acknowledged.load(ordering: .sequentiallyConsistent)))
            }
            return 0
        }
        for number in 0..<14 {
            try await insert(number..<number + 1, into: store)
            acknowledged.store(number + 1, ordering: .sequentiallyConsistent)
        }
        try store.close()
        disk.hook(nil)
        let all = images.withLock { $0 }
        // Every kind of step occurred: writes of the log, of the database during a checkpoint, and of the mark.
        for part in [
            "pwrite \(reals)-wal", "fdatasync \(reals)-wal", "pwrite \(reals)", "fdatasync \(reals)", "rename",
        ] {
            #expect(all.contains { $0.call.hasPrefix(part) }, "\(part)")
        }
        for image in all {
            let copy = try open(place + "/\(image.name).sqlite")
            let found = try await tasks(in: copy)
            #expect(
                found.isSuperset(of: 0..<image.acknowledged) && found.count <= image.acknowledged + 1,
                "\(image.call): \(found.count) of \(image.acknowledged)")
            try copy.close()
        }
    }

    @Test
    func
        `a database of an earlier schema opens with every task after a crash between any two system calls of its migrations`()
        async throws
    {
        let queue = try DatabaseQueue.earlier(migrations: 5, at: path)
        try await queue.write { db in
            for number in 0..<20 {
                try db.execute(
                    sql: """
                        INSERT INTO task (id, endpoint, service, state, on_uncertain, created_at_ms, next_due_at_ms)
                        VALUES (?, 'a/b', 'a', 'queued', 'hold', 1, 1)
                        """, arguments: [TrackedTask.task(number).id.text])
            }
        }
        try queue.close()
        let disk = Disk(of: directory.path)
        let place = directory.file("images")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let (path, real) = (path, URL(filePath: path).resolvingSymlinksInPath().path)
        let images = Mutex<[String]>([])
        let calls = Atomic(0)
        disk.hook { call, file in
            let number = images.withLock { $0.count }
            guard file.hasPrefix(real),
                call != "pwrite" || calls.wrappingAdd(1, ordering: .relaxed).oldValue % 4 == 0
            else { return 0 }
            try? Disk.copy(path, to: place + "/\(number).sqlite")
            images.withLock { $0.append("\(call) \(file)") }
            return 0
        }
        let backup = SchemaBackup(in: directory.file("backups"), at: TrackedTask.task(0).createdAt)
        try SQLiteDriver.open(path: path, backup: backup).close()
        disk.hook(nil)
        let all = images.withLock { $0 }
        #expect(
            all.contains { $0.hasPrefix("pwrite \(real)-wal") } && all.contains { $0.hasPrefix("fdatasync \(real)") })
        for (number, call) in all.enumerated() {
            let copy = try SQLiteDriver.open(path: place + "/\(number).sqlite", backup: backup)
            #expect(try await tasks(in: copy) == Set(0..<20), "\(call)")
            try copy.close()
        }
    }

    @Test func `a database with the log of another time is rejected, or has everything in the log`() async throws {
        // On this thread, so that no checkpoint runs while the file is copied.
        let store = try SQLiteDriver.open(
            path: path, configuration: DatabaseFile.configuration, writing: .callers, copyingLogEvery: 12)
        var moments: [Int] = []
        for moment in 0..<16 {
            try await insert(moment * 2..<moment * 2 + 2, into: store)
            try Disk.copy(path, to: directory.file("\(moment).sqlite"))
            moments.append((moment + 1) * 2)
        }
        try store.close()
        var (refused, whole) = (0, 0)
        for (file, _) in moments.enumerated() {
            for (log, count) in moments.enumerated() where log != file {
                let mix = directory.file("mix-\(file)-\(log).sqlite")
                try Disk.copy(directory.file("\(file).sqlite"), to: mix, parts: [""])
                try Disk.copy(directory.file("\(log).sqlite"), to: mix, parts: ["-wal"])
                let before = FileManager.default.contents(atPath: mix)
                do {
                    let store = try open(mix)
                    whole += 1
                    // The log contains everything that its own database had.
                    #expect(try await tasks(in: store) == Set(0..<count), "file of \(file), log of \(log)")
                    try store.close()
                } catch let error as TaskStoreError {
                    refused += 1
                    #expect(["storage_mismatched", "storage_damaged"].contains(error.code), "\(error)")
                    #expect(
                        FileManager.default.contents(atPath: mix) == before, "file of \(file), log of \(log): \(error)")
                }
            }
        }
        #expect(refused > 100)
        #expect(whole > 5)
    }

    // MARK: Files moved by people

    @Test func `a backup with the log of a later database is refused with a reason, and opens without that log`()
        async throws
    {
        let store = try open(path)
        try await insert(0..<4, into: store)
        try store.close()
        try Disk.copy(path, to: directory.file("backup.sqlite"), parts: [""])
        let later = try open(path)
        try await insert(4..<40, into: later)
        try Disk.copy(path, to: directory.file("crash.sqlite"))
        try later.close()
        // The machine died, and the backup replaces the database.
        try Disk.copy(directory.file("crash.sqlite"), to: path)
        try Disk.copy(directory.file("backup.sqlite"), to: path, parts: [""])
        guard case .mismatched(let words) = refusal(path) else {
            Issue.record("the database was opened")
            return
        }
        #expect(words.contains("-wal") && words.contains("pollux.generation"), "\(words)")
        // As the message says.
        remove("-wal", "-shm")
        try FileManager.default.removeItem(atPath: Disk.mark(of: path))
        let restored = try open(path)
        #expect(try await tasks(in: restored) == Set(0..<4))
        try restored.close()
    }

    @Test func `a database without its log is refused, and opens with it`() async throws {
        let store = try open(path)
        try await insert(0..<3, into: store)
        try Disk.copy(path, to: directory.file("crash.sqlite"))
        try store.close()
        try Disk.copy(directory.file("crash.sqlite"), to: path)
        remove("-wal", "-shm")
        guard case .mismatched(let words) = refusal(path) else {
            Issue.record("the database was opened without its log")
            return
        }
        #expect(words.contains("older"))
        try Disk.copy(directory.file("crash.sqlite"), to: path, parts: ["-wal"])
        let whole = try open(path)
        #expect(try await tasks(in: whole) == Set(0..<3))
        try whole.close()
    }

    @Test func `a database with the log of another installation is refused`() async throws {
        let store = try open(path)
        try await insert(0..<3, into: store)
        let other = try open(directory.file("other.sqlite"))
        try await insert(0..<3, into: other)
        try other.close()
        try Disk.copy(path, to: directory.file("mix.sqlite"), parts: ["-wal"])
        try Disk.copy(directory.file("other.sqlite"), to: directory.file("mix.sqlite"), parts: [""])
        #expect(refusal(directory.file("mix.sqlite"))?.code == "storage_mismatched")
        try store.close()
    }

    @Test func `a database without a generation opens and gets one`() async throws {
        let store = try open(path)
        try await insert(0..<3, into: store)
        try store.close()
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA user_version = 0") }
        try queue.close()
        try FileManager.default.removeItem(atPath: Disk.mark(of: path))
        for _ in 0..<2 {
            let next = try open(path)
            #expect(try await tasks(in: next) == Set(0..<3))
            try next.close()
        }
        #expect(GenerationMark(of: path).generation == 2)
    }

    @Test func `a used directory without its database opens only with explicit permission`() async throws {
        let store = try open(path)
        try await insert(0..<3, into: store)
        try store.close()
        remove("", "-wal", "-shm")
        #expect(refusal(path) == .missing(path))
        #expect(!FileManager.default.fileExists(atPath: path))
        let empty = try open(path, mayBegin: true)
        #expect(try await tasks(in: empty).isEmpty)
        // After a kill it needs no permission again.
        let copy = directory.file("copy.sqlite")
        try Disk.copy(path, to: copy)
        #expect(refusal(copy) == nil)
        try empty.close()
        #expect(refusal(path) == nil)
    }

    @Test func `a start after a killed first start succeeds`() throws {
        // The mark is written last. With a draft or the database alone, the next start continues.
        try Data([1, 2, 3]).write(to: URL(filePath: path + ".new"))
        #expect(!GenerationMark(of: path).exists)
        #expect(refusal(path) == nil)
        try FileManager.default.removeItem(atPath: Disk.mark(of: path))
        #expect(refusal(path) == nil)
    }

    @Test func `a database with an unreadable mark opens`() async throws {
        try open(path).close()
        for text in ["", "x", "99999999999999999999"] {
            try Data(text.utf8).write(to: URL(filePath: Disk.mark(of: path)))
            #expect(refusal(path) == nil, "\(text)")
        }
    }
}
