import Foundation
import ProviderCatalog
import TaskEngine
import TaskTesting
import Testing

@testable import Artefacts

/// Whose the directory of artefacts is, and whether it is there.
@Suite struct MarkedDirectoryTests {
    private let root: TemporaryDirectory
    /// A directory that is outside of any state directory, as on a disk of its own.
    private let place: String
    private var mark: String { "\(place)/\(MarkedDirectory.markName)" }

    init() throws {
        root = try TemporaryDirectory()
        place = root.file("disk/artefacts")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    }

    private func directory(owner: String = "/state/a", newID: String = "new") -> MarkedDirectory {
        MarkedDirectory(place, owner: owner, newID: newID)
    }

    private func message(_ body: () throws(ArtefactFailure) -> Void) -> String? {
        do throws(ArtefactFailure) {
            try body()
            return nil
        } catch {
            guard case .storage(let text) = error else { return "not about storage: \(error.message)" }
            return text
        }
    }

    @Test func `a directory that is used for the first time gets a mark, by which it is known later`() throws {
        do {
            let first = directory()
            #expect(try first.claim(knownAs: nil, isUsed: false) == "new")
            try first.check()
        }
        #expect(MarkNote(try String(contentsOfFile: mark, encoding: .utf8)) == MarkNote(id: "new", owner: "/state/a"))
        let next = directory(newID: "other")
        #expect(try next.claim(knownAs: "new", isUsed: true) == "new")
    }

    @Test func `without its mark a known directory is not used, and nothing is written into it`() throws {
        let away = directory()
        let text = message { () throws(ArtefactFailure) in _ = try away.claim(knownAs: "known", isUsed: true) }
        #expect(text?.contains("has no file .pollux-artefacts") == true && text?.contains("mounted") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place).isEmpty)
        // Files from before there were marks.
        #expect(message { () throws(ArtefactFailure) in _ = try away.claim(knownAs: nil, isUsed: true) } != nil)
        #expect(message { () throws(ArtefactFailure) in try away.check() }?.contains("mounted") == true)
        // A person says that the files are lost.
        try Data().write(to: URL(filePath: mark))
        #expect(try away.claim(knownAs: "known", isUsed: true) == "known")
        try away.check()
    }

    @Test func `a directory with files of an earlier version gets a mark`() throws {
        try FileManager.default.createDirectory(atPath: place + "/objects", withIntermediateDirectories: false)
        #expect(try directory().claim(knownAs: nil, isUsed: true) == "new")
        #expect(FileManager.default.fileExists(atPath: mark))
    }

    @Test func `a directory that is missing inside the state directory is made again`() throws {
        let inside = MarkedDirectory(place + "/artefacts", owner: place, newID: "new")
        #expect(try inside.claim(knownAs: "known", isUsed: true) == "known")
        // An empty one may be the place of a disk.
        try FileManager.default.createDirectory(atPath: place + "/mounted", withIntermediateDirectories: false)
        let mounted = MarkedDirectory(place + "/mounted", owner: place, newID: "new")
        #expect(message { () throws(ArtefactFailure) in _ = try mounted.claim(knownAs: "known", isUsed: true) } != nil)
    }

    @Test func `two daemons never share a directory, at one time or one after the other`() throws {
        do {
            let first = directory()
            _ = try first.claim(knownAs: nil, isUsed: false)
            let second = directory(owner: "/state/b", newID: "b")
            for known in [nil, "new", "b"] {
                let text = message { () throws(ArtefactFailure) in
                    _ = try second.claim(knownAs: known, isUsed: false)
                }
                #expect(text?.contains("belongs to another Pollux") == true, "\(known ?? "-")")
                #expect(text?.contains("/state/a") == true && text?.contains("artefacts.directory") == true)
            }
            try first.check()
        }
        let later = directory(owner: "/state/b", newID: "b")
        #expect(message { () throws(ArtefactFailure) in _ = try later.claim(knownAs: nil, isUsed: false) } != nil)
        // The whole state directory was moved, so its database knows the directory.
        #expect(try later.claim(knownAs: "new", isUsed: true) == "new")
        #expect(MarkNote(try String(contentsOfFile: mark, encoding: .utf8)) == MarkNote(id: "new", owner: "/state/b"))
    }

    @Test func `a new database in the same state directory takes the directory over`() throws {
        do { _ = try directory().claim(knownAs: nil, isUsed: false) }
        #expect(try directory(newID: "second").claim(knownAs: nil, isUsed: false) == "new")
    }

    @Test func `a directory that goes away is noticed, and used again when it is back`() throws {
        let directory = directory()
        _ = try directory.claim(knownAs: nil, isUsed: false)
        try FileManager.default.moveItem(atPath: place, toPath: root.file("unmounted"))
        #expect(message { () throws(ArtefactFailure) in try directory.check() }?.contains("not mounted") == true)
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        #expect(message { () throws(ArtefactFailure) in try directory.check() } != nil)
        try FileManager.default.removeItem(atPath: place)
        try FileManager.default.moveItem(atPath: root.file("unmounted"), toPath: place)
        try directory.check()
        let other = self.directory(owner: "/state/b")
        #expect(message { () throws(ArtefactFailure) in _ = try other.claim(knownAs: nil, isUsed: false) } != nil)
    }

    @Test func `a file counts as missing only if the system says so of a directory that is there`() async throws {
        let files = ObjectFiles(
            directory: place, owner: "/state/a", newID: "a", limits: Current(always: ObjectFiles.Limits(keepFree: 1)))
        try await files.prepare(ScriptedRecords())
        let digest = String(repeating: "ab", count: 32)
        #expect(try files.file(of: digest) == nil)
        // Not a directory, so the system cannot look.
        try Data().write(to: URL(filePath: place + "/objects/ab"))
        #expect(throws: ArtefactFailure.self) { try files.file(of: digest) }
        try FileManager.default.removeItem(atPath: place + "/objects/ab")
        try FileManager.default.moveItem(atPath: place, toPath: root.file("unmounted"))
        #expect(throws: ArtefactFailure.self) { try files.file(of: digest) }
        #expect(throws: ArtefactFailure.self) { try files.draft() }
        try await files.shutdown()
    }
}
