import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// The files behind the URLs of results.
extension TaskStoreConformanceTests {
    private func artefact(
        _ task: TaskID, _ ordinal: Int = 0, host: String = "a.example", expires: Int64? = nil, next: Int64 = 0
    ) -> Artefact {
        Artefact(
            Artefact.ID(task: task, ordinal: ordinal), url: "https://\(host)/\(ordinal).png", host: host,
            expiresAt: expires.map { now + .seconds($0) }, nextAt: now + .seconds(next))
    }

    private func object(_ digit: Character) -> Artefact.Object {
        Artefact.Object(
            sha256: String(repeating: digit, count: 64), size: 5, mediaType: "image/png", name: "by-task/\(digit).png")
    }

    /// A task that has succeeded with two URLs.
    private func succeeded(_ number: Int, in store: TaskStore) async throws -> TaskID {
        let task = TrackedTask.task(number, state: .running)
        _ = try await store.insert(.new(task))
        let urls = (0...1).map { JSONValue.string("https://a.example/\($0).png") }
        var observation = Observation(.succeeded(partial: false), record: ["urls": .array(urls)])
        observation.results = (0...1).map {
            TaskResult(kind: .url, pointer: JSONPointer(tokens: ["urls", "\($0)"]), value: urls[$0])
        }
        _ = try await store.apply(.observed(observation), to: task.id, at: now, nextDueAt: nil)
        return task.id
    }

    @Test func `what expires first is fetched first, and each host can be left out`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            let files = [
                artefact(id, 0, expires: nil), artefact(id, 1, expires: 900),
                artefact(id, 2, host: "b.example", expires: 60),
                artefact(id, 3, expires: 5, next: 10),
            ]
            try await store.insert(files, readUpTo: 7)
            #expect(try await store.artefactPlace() == 7)
            #expect(try await store.artefacts(dueBy: now, limit: 9) == [files[2], files[1], files[0]])
            #expect(try await store.artefacts(dueBy: now, notFrom: ["b.example"], limit: 1) == [files[1]])
            #expect(try await store.artefacts(dueBy: now + .seconds(10), limit: 1) == [files[3]])
            #expect(try await store.nextArtefact() == now)
            #expect(try await store.artefacts(of: id) == files)
        }
    }

    @Test func `a file that is known stays as it is when its result is read again`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            var file = artefact(id)
            try await store.insert([file])
            file.attempts = 3
            file.error = "The server answered HTTP 502."
            file.nextAt = now + .seconds(8)
            try await store.put(file, at: now)
            try await store.insert([artefact(id)], readUpTo: 1)
            #expect(try await store.artefacts(of: id) == [file])
        }
    }

    @Test func `a saved file stands beside its result, has a line in the log and stays saved`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            var file = artefact(id, 1)
            try await store.insert([artefact(id, 0), file])
            file.state = .saved
            file.object = object("a")
            file.attempts = 1
            try await store.put(file, at: now + .seconds(1))
            let stored = try #require(try await store.taskWithPayload(id))
            #expect(stored.task.state == .succeeded)
            #expect(stored.payload.results?.map(\.artefact) == [artefact(id, 0), file])
            let line = try #require(try await store.events(of: id, after: 0, limit: 99).last?.entry)
            #expect(line.kind == "result_saved" && line.from == .succeeded && line.to == .succeeded)
            #expect(line.detail["sha256"]?.string == String(repeating: "a", count: 64))
            #expect(line.detail["result"] == 1)
            // A report that comes twice or late changes nothing.
            try await store.put(file, at: now)
            var late = artefact(id, 1)
            late.state = .gone
            try await store.put(late, at: now)
            #expect(try await store.artefacts(of: id)[1] == file)
            #expect(try await store.events(of: id, after: 0, limit: 99).count { $0.entry.kind == "result_saved" } == 1)
            #expect(try await store.object(String(repeating: "a", count: 64)) == object("a"))
            #expect(try await store.object(String(repeating: "b", count: 64)) == nil)
            let digests = [String(repeating: "b", count: 64), String(repeating: "a", count: 64)]
            #expect(try await store.orphans(among: digests) == [digests[0]])
        }
    }

    @Test func `a file whose object is missing is fetched again, but not one that was saved meanwhile`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            var file = artefact(id)
            try await store.insert([file])
            let before = file
            file.state = .saved
            file.object = object("a")
            try await store.put(file, at: now)
            try await store.retry(before, at: now)
            #expect(try await store.artefacts(of: id) == [file])
            try await store.retry(file, at: now + .seconds(5))
            let again = try #require(try await store.artefacts(of: id).first)
            #expect(again.state == .waiting && again.object == nil && again.nextAt == now + .seconds(5))
        }
    }

    @Test func `gone and refused files are not due`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            var (gone, refused) = (artefact(id, 0), artefact(id, 1))
            try await store.insert([gone, refused])
            gone.state = .gone
            refused.state = .refused
            for file in [gone, refused] { try await store.put(file, at: now) }
            #expect(try await store.nextArtefact() == nil)
            #expect(try await store.artefacts(dueBy: now + .seconds(9), limit: 9) == [])
            #expect(try await store.artefacts(of: id) == [gone, refused])
        }
    }
}
