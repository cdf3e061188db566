import Foundation
import NIOCore
import ProviderCatalog
import TaskEngine
import TaskTesting
import Testing

@testable import Artefacts

@Suite struct ObjectDraftTests {
    @Test func `bytes that a failed write left are not part of the file`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("draft")
        let draft = try ObjectDraft(path: path) { _ in }
        try draft.append(ByteBuffer(string: "first "))
        let other = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try other.seekToEnd()
        try other.write(contentsOf: Data("what a write left before the disk was full".utf8))
        try other.close()
        try draft.append(ByteBuffer(string: "second"))
        try draft.seal()
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "first second")
        #expect(draft.count == 12)
    }

    @Test func `unfinished files count until they end`() async throws {
        let directory = try TemporaryDirectory()
        let files = ObjectFiles(
            directory: directory.path, owner: "/state", newID: "1",
            limits: .init(always: ObjectFiles.Limits(quota: 10, keepFree: 0)))
        try await files.prepare(ScriptedRecords())
        do {
            let draft = try files.draft()
            try draft.append(ByteBuffer(string: "8 bytes."))
            try files.checkRoom(for: 2)
            #expect(throws: ArtefactFailure.self) { try files.checkRoom(for: 3) }
        }
        try files.checkRoom(for: 10)
    }
}
