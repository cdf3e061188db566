import Crypto
import Foundation
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import Artefacts

/// The files of long values of records.
@Suite struct PartFilesTests {
    private let root: TemporaryDirectory
    private let bytes: [UInt8] =
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + [UInt8](repeating: 7, count: 70_000)
    private var digest: String { RecordPart.digest(of: bytes) }

    init() throws { root = try TemporaryDirectory() }

    private func files(newID: String = "a") -> ObjectFiles {
        ObjectFiles(
            directory: root.file("artefacts"), owner: root.path, newID: newID,
            limits: Current(always: ObjectFiles.Limits(quota: 10, keepFree: 1)))
    }

    private func with(_ records: ScriptedRecords = ScriptedRecords(), _ test: (ObjectFiles) async throws -> Void)
        async throws
    {
        let files = files(newID: "\(UInt32.random(in: 1 ... .max))")
        try await files.prepare(records)
        let failure: (any Error)?
        do {
            try await test(files)
            failure = nil
        } catch {
            failure = error
        }
        try await files.shutdown()
        if let failure { throw failure }
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    @Test func `a value is read as it was kept, is read-only, and does not count for the quota`() async throws {
        try await with { files in
            try await files.keep(bytes, as: digest)
            // Another record has the same.
            try await files.keep(bytes, as: digest)
            #expect(try await files.read(digest) == bytes)
            #expect(try files.readBlocking(digest) == bytes)
            let attributes = try FileManager.default.attributesOfItem(atPath: files.partPath(digest))
            #expect(attributes[.posixPermissions] as? Int == 0o400 && attributes[.referenceCount] as? Int == 1)
            #expect(files.used == 0)
            try files.checkRoom(for: 10)
        }
    }

    @Test func `a directory that cannot be used is a clear failure`() async throws {
        let unprepared = files()
        await #expect(throws: RecordFileFailure.self) { try await unprepared.keep(bytes, as: digest) }
        try await unprepared.shutdown()
        try await with { files in
            await #expect { try await files.read(digest) } throws: { error in
                (error as? RecordFileFailure)?.message.contains("No such file") == true
            }
            try await files.keep(bytes, as: digest)
            try FileManager.default.moveItem(atPath: files.directory, toPath: root.file("away"))
            await #expect { try await files.read(digest) } throws: { error in
                (error as? RecordFileFailure)?.message.contains("not mounted") == true
            }
            await #expect(throws: RecordFileFailure.self) { try await files.keep([1], as: RecordPart.digest(of: [1])) }
            try FileManager.default.moveItem(atPath: root.file("away"), toPath: files.directory)
            #expect(try await files.read(digest) == bytes)
        }
    }

    @Test func `a value is removed once no record, no write and no backup needs it`() async throws {
        try await with { files in
            let removing = { (isUsed: Bool) async -> Bool in
                do throws(ArtefactFailure) {
                    try await files.removePart(digest) { () throws(ArtefactFailure) in
                        isUsed
                    } removed: {
                    }
                    return true
                } catch {
                    return false
                }
            }
            try await files.keep(bytes, as: digest)
            #expect(await !removing(false), "its record is being written")
            files.settle(digest)
            files.holdRemovals(true)
            #expect(await !removing(false), "a backup needs it")
            files.holdRemovals(false)
            #expect(await removing(true))
            #expect(exists(files.partPath(digest)))
            #expect(await removing(false))
            #expect(!exists(files.partPath(digest)))
            #expect(await removing(false), "a crash repeats it")
        }
    }

    @Test func `a record that comes while its value is removed does not get it`() async throws {
        try await with { files in
            try await files.keep(bytes, as: digest)
            files.settle(digest)
            try await files.removePart(digest) { () async throws(ArtefactFailure) in
                await #expect(throws: RecordFileFailure.self) { try await files.keep(bytes, as: digest) }
                return false
            } removed: {
            }
            try await files.keep(bytes, as: digest)
            #expect(try await files.read(digest) == bytes)
        }
    }

    @Test func `the start removes values that no record has, and unfinished ones`() async throws {
        let records = ScriptedRecords()
        try await with(records) { files in
            try await files.keep(bytes, as: digest)
            files.settle(digest)
            try Data([1]).write(to: URL(filePath: files.directory + "/parts/.draft-9-1"))
        }
        try await with(records) { files in
            #expect(exists(files.partPath(digest)) && !exists(files.directory + "/parts/.draft-9-1"))
        }
        try await with(ScriptedRecords(id: records.id, knowsNothing: true)) { files in
            #expect(!exists(files.partPath(digest)))
        }
    }

    @Test func `a result with such a value is a file with a name, without a download and without a copy`()
        async throws
    {
        let records = ScriptedRecords()
        let artefact = Artefact(
            Artefact.ID(task: TrackedTask.task(1).id, ordinal: 0), url: "", host: "", expiresAt: nil,
            nextAt: ManualTimeSource.start)
        try await with(records) { files in
            try await files.keep(bytes, as: digest)
            files.settle(digest)
            let object = try await files.linkPart(digest, promised: "image/*", base: "by-task/x-1")
            #expect(
                object
                    == Artefact.Object(
                        sha256: digest, size: Int64(bytes.count), mediaType: "image/png", name: "by-task/x-1.png"))
            #expect(files.used == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: files.directory + "/" + object.name)
            #expect(attributes[.referenceCount] as? Int == 3)
            files.settle(object: digest)
        }
        try await with(records) { files in
            #expect(files.used == 0, "content of a record does not count after a start")
            let object = Artefact.Object(sha256: digest, size: 1, mediaType: "image/png", name: "by-task/x-1.png")
            try await files.remove(artefact, object) { () throws(ArtefactFailure) in false }
            #expect(files.used == 0 && !exists(files.directory + "/by-task/x-1.png"))
            #expect(try await files.read(digest) == bytes)
            await #expect(throws: ArtefactFailure.self) {
                try await files.linkPart(RecordPart.digest(of: [1]), promised: nil, base: "by-task/y-1")
            }
        }
    }
}
