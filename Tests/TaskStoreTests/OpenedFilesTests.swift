import Foundation
import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Tests files that are deleted or replaced while they are open.
@Suite struct OpenedFilesTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.file("state"), withIntermediateDirectories: false)
        path = directory.file("state/pollux.sqlite")
    }

    private func move(_ from: String, to: String) throws { try FileManager.default.moveItem(atPath: from, toPath: to) }

    @Test(arguments: ["database", "log", "directory", "database replaced", "log replaced"])
    func `writes fail while a file is missing or replaced, and reads continue`(what: String) async throws {
        let store = try SQLiteDriver.open(path: path)
        _ = try await store.verbs.insert(.new(.task(1)))
        #expect(await store.condition() == .sound)
        let lost =
            what.hasPrefix("database") ? path : what.hasPrefix("log") ? path + "-wal" : directory.file("state")
        try move(lost, to: directory.file("aside"))
        if what.hasSuffix("replaced") {
            try FileManager.default.copyItem(atPath: directory.file("aside"), toPath: lost)
        }
        await #expect(throws: TaskStoreError.replaced(path)) { _ = try await store.verbs.insert(.new(.task(2))) }
        #expect(await store.condition() == .failed(.replaced(path)))
        #expect(try await store.verbs.task(TrackedTask.task(1).id) != nil)
        #expect(try await store.verbs.task(TrackedTask.task(2).id) == nil)
        // With the file in its place, writes succeed again.
        if what.hasSuffix("replaced") { try FileManager.default.removeItem(atPath: lost) }
        try move(directory.file("aside"), to: lost)
        #expect(await store.condition() == .sound)
        #expect(try await store.verbs.insert(.new(.task(2))) == .created)
        try store.close()
    }

    @Test func `a commit is unknown if the file was moved away meanwhile`() async throws {
        let store = try SQLiteDriver.open(path: path)
        let aside = directory.file("aside")
        await #expect(throws: TaskStoreError.unknown) {
            try await store.write { [path] _ in
                try FileManager.default.moveItem(atPath: path, toPath: aside)
            }
        }
        try move(aside, to: path)
        try store.close()
    }

    @Test func `closing the store does not change files that replaced its own`() async throws {
        let store = try SQLiteDriver.open(path: path)
        _ = try await store.verbs.insert(.new(.task(1)))
        for suffix in ["", "-wal"] {
            try FileManager.default.removeItem(atPath: path + suffix)
            try Data("\(suffix) of another program".utf8).write(to: URL(filePath: path + suffix))
        }
        #expect(throws: TaskStoreError.replaced(path)) { try store.close() }
        for suffix in ["", "-wal"] {
            #expect(FileManager.default.contents(atPath: path + suffix) == Data("\(suffix) of another program".utf8))
        }
    }
}
