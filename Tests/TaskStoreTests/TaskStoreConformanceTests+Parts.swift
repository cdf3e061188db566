import Foundation
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskStore

/// The long values of records, which are in files.
extension TaskStoreConformanceTests {
    private func withFiles(_ body: (TaskStore, MemoryRecordFiles) async throws -> Void) async throws {
        try await withDriver { driver in
            let files = MemoryRecordFiles()
            try await body(TaskStore(driver, files: files), files)
        }
    }

    /// A picture of 60,000 bytes in base64.
    private func picture(_ digit: UInt8) -> String {
        Data([UInt8](repeating: digit, count: 60_000)).base64EncodedString()
    }

    private func digest(_ digit: UInt8) -> String { RecordPart.digest(of: [UInt8](repeating: digit, count: 60_000)) }

    private func record(_ digits: UInt8..., progress: Int = 100) -> JSONValue {
        [
            "id": "r", "progress": .number(JSONNumber(progress)),
            "data": .array(digits.map { ["b64_json": .string(picture($0)), "seed": 1] }),
            "note": .string(String(repeating: "no base64! ", count: 7_000)),
        ]
    }

    private func observation(_ record: JSONValue, isEnd: Bool = true) -> Observation {
        var observation = Observation(isEnd ? .succeeded(partial: false) : .pending, record: record)
        guard isEnd else { return observation }
        observation.results = [
            TaskResult(
                kind: .data, pointer: JSONPointer(tokens: ["data", "0", "b64_json"]), value: .null,
                mediaType: "image/png", sizeInBytes: 60_000),
            TaskResult(
                kind: .text, pointer: JSONPointer(tokens: ["data", "0", "b64_json"]),
                value: record.value(at: JSONPointer(tokens: ["data", "0", "b64_json"])) ?? .null),
        ]
        return observation
    }

    @discardableResult
    private func succeed(_ number: Int, _ record: JSONValue, in store: TaskStore) async throws -> TaskID {
        let task = TrackedTask.task(number, state: .running)
        _ = try await store.insert(.new(task))
        _ = try await store.apply(.observed(observation(record)), to: task.id, at: now, nextDueAt: nil)
        return task.id
    }

    @Test func `long values are in files, and a task is read as it came`() async throws {
        try await withFiles { store, files in
            let record = record(1, 2)
            let id = try await succeed(1, record, in: store)
            #expect(files.digests == [digest(1), digest(2)] && files.unsettled.isEmpty)
            let texts = try await store.driver.read(for: .read("test"), .statement) { try $0.texts(of: [id], .all) }
            #expect(texts.first.map { ($0.response?.utf8.count ?? 0) < 80_000 && $0.partBytes == 160_000 } == true)
            #expect(texts.first.map { $0.bytes > 230_000 } == true)
            let task = try #require(try await store.taskWithPayload(id))
            #expect(task.payload.response?.text == record.text)
            #expect(task.payload.results?.map(\.value) == [.null, .string(picture(1))])
            #expect(task.payload.results?.map(\.content) == [digest(1), digest(1)])
            let page = try await store.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
            #expect(page == [task])
            #expect(try await store.partsToRemove(limit: 9) == [])
            #expect(try await store.orphanParts(among: [digest(1), digest(3)]) == [digest(3)])
        }
    }

    @Test func `without its file a task cannot be shown, but it is listed, and its other parts are read`() async throws
    {
        try await withFiles { store, files in
            let record = record(1)
            let id = try await succeed(1, record, in: store)
            let bytes = try files.readBlocking(digest(1))
            for change in [nil, bytes + [0], [UInt8](repeating: 9, count: bytes.count)] {
                files.put(change, as: digest(1))
                await #expect {
                    try await store.taskWithPayload(id)
                } throws: { error in
                    (error as? TaskStoreError)?.code == "storage_part_unreadable"
                }
                let listed = try await store.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
                let expected = record.replacing(["data", "0", "b64_json"], with: .null)
                #expect(listed.map(\.payload.response) == [expected])
                #expect(try await store.taskWithPayload(id, .nulls)?.payload.response == expected)
            }
            files.put(bytes, as: digest(1))
            #expect(try await store.taskWithPayload(id)?.payload.response == record)
        }
    }

    @Test func `values stay in the record where no file can be written`() async throws {
        try await withFiles { store, files in
            files.fail()
            let record = record(1)
            let id = try await succeed(1, record, in: store)
            #expect(try await store.taskWithPayload(id)?.payload.response == record)
            #expect(try await store.taskWithPayload(id)?.payload.results?.first?.content == nil)
            files.fail(false)
            #expect(files.digests.isEmpty)
            let other = try await succeed(2, record, in: TaskStore(store.driver))
            #expect(try await store.taskWithPayload(other)?.payload.response == record)
        }
    }

    @Test func `an equal record is not written again, and another one replaces its files`() async throws {
        try await withFiles { store, files in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            for progress in [10, 10, 20] {
                let pending = observation(record(1, progress: progress), isEnd: false)
                _ = try await store.apply(.observed(pending), to: task.id, at: now, nextDueAt: now)
                #expect(
                    try await store.taskWithPayload(task.id)?.payload.response == record(1, progress: progress))
            }
            // The row of the former record is gone, but the new one has the same file.
            for digest in try await store.partsToRemove(limit: 9) { #expect(try await store.keepsPart(digest)) }
            _ = try await store.apply(.observed(observation(record(2))), to: task.id, at: now, nextDueAt: nil)
            #expect(try await store.taskWithPayload(task.id)?.payload.response == record(2))
            #expect(try await store.partsToRemove(limit: 9) == [digest(1)])
            #expect(try await !store.keepsPart(digest(1)))
            try await store.notePartRemoval(of: digest(1))
            #expect(try await store.partsToRemove(limit: 9) == [])
            #expect(files.unsettled.isEmpty)
        }
    }

    @Test func `a file whose record is not stored is removed`() async throws {
        try await withFiles { store, files in
            let id = try await succeed(1, record(1), in: store)
            // The task has ended, so this record is ignored.
            let late = observation(record(2), isEnd: false)
            _ = try await store.apply(.observed(late), to: id, at: now, nextDueAt: now)
            #expect(try await store.partsToRemove(limit: 9) == [digest(2)])
            // A task that does not exist.
            _ = try await store.apply(.observed(late), to: TrackedTask.task(9).id, at: now, nextDueAt: now)
            #expect(try await store.partsToRemove(limit: 9) == [digest(2)])
            #expect(files.unsettled.isEmpty)
        }
    }

    @Test func `retention removes the files with the record, and the artefact of the result`() async throws {
        try await withFiles { store, _ in
            let ids = try await [succeed(1, record(1, 2), in: store), succeed(2, record(2), in: store)]
            var file = Artefact(
                Artefact.ID(task: ids[0], ordinal: 0), url: "", host: "", expiresAt: nil, nextAt: now)
            try await store.insert([file])
            file.state = .saved
            file.object = Artefact.Object(sha256: digest(1), size: 1, mediaType: "image/png", name: "by-task/1.png")
            try await store.put(file, at: now)
            // Neither a client nor its age makes it leave the disk.
            try await store.noteDelivery(of: digest(1), at: now)
            #expect(try await store.deliveredArtefacts(limit: 9) == [])
            var policy = RetentionPolicy()
            policy.artefacts = .seconds(86_400)
            let later = now + .seconds(100 * 86_400)
            var sweep = RetentionSweep(policy, at: later)
            while !sweep.isOver { sweep = try await store.advance(sweep, at: later) }
            #expect(sweep.count == RetentionSweep.Count())
            #expect(try await store.artefacts(of: ids[0]).map(\.state) == [.saved])
            // Only the first task loses its record.
            _ = try await store.setPinned(true, ids[1])
            policy.responses = .seconds(86_400)
            sweep = RetentionSweep(policy, at: later)
            while !sweep.isOver { sweep = try await store.advance(sweep, at: later) }
            #expect(sweep.count.responses == 1 && sweep.count.bytes > 230_000)
            #expect(Set(try await store.partsToRemove(limit: 9)) == [digest(1), digest(2)])
            #expect(try await store.artefacts(of: ids[0]).map(\.state) == [.removing])
            #expect(try await !store.keepsPart(digest(1)))
            #expect(try await store.keepsPart(digest(2)))
            #expect(try await store.partsToRemove(limit: 9) == [digest(1)])
            #expect(try await store.taskWithPayload(ids[1])?.payload.response == record(2))
            #expect(try await store.taskWithPayload(ids[0])?.payload.response == nil)
        }
    }

    @Test func `deleting a task removes the files of its record`() async throws {
        try await withFiles { store, _ in
            let id = try await succeed(1, record(1), in: store)
            _ = try await store.removeDetails(of: id, at: now)
            #expect(try await store.partsToRemove(limit: 9) == [digest(1)])
            #expect(try await !store.keepsPart(digest(1)))
        }
    }
}
