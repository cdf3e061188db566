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
            file.savedAt = now + .seconds(1)
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
            file.savedAt = now
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

    /// A saved file of a task that has succeeded.
    private func saved(
        _ number: Int, _ digit: Character, in store: TaskStore, at time: Timestamp? = nil
    ) async throws -> Artefact {
        let id = try await succeeded(number, in: store)
        var file = artefact(id)
        try await store.insert([file])
        file.state = .saved
        file.object = object(digit)
        try await store.put(file, at: time ?? now)
        return try #require(try await store.artefacts(of: id).first)
    }

    @Test func `a file that begins to wait for room has one line in the log and is counted`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = try await succeeded(1, in: store)
            var file = artefact(id)
            try await store.insert([file, artefact(id, 1)])
            file.lacksRoom = true
            file.error = "artefacts.quota allows 5 bytes."
            for _ in 1...2 { try await store.put(file, at: now) }
            #expect(try await store.artefactCounts() == ArtefactCounts(waiting: 2, withoutRoom: 1))
            let lines = try await store.events(of: id, after: 0, limit: 99).map(\.entry)
            #expect(lines.count { $0.kind == "result_waiting" } == 1)
            #expect(lines.last?.detail["message"]?.string == file.error && lines.last?.to == .succeeded)
            file.state = .saved
            file.object = object("a")
            try await store.put(file, at: now)
            #expect(try await store.artefactCounts() == ArtefactCounts(waiting: 1, withoutRoom: 0))
        }
    }

    @Test func `only files that clients have had may make room, and none of a pinned task`() async throws {
        try await with { (store: TaskStore) async throws in
            let files = [
                try await saved(1, "a", in: store), try await saved(2, "b", in: store),
                try await saved(3, "c", in: store), try await saved(4, "c", in: store),
            ]
            #expect(try await store.deliveredArtefacts(limit: 9) == [])
            for (digit, delay) in [("b", 1), ("a", 2), ("c", 3)] as [(Character, Int64)] {
                try await store.noteDelivery(of: object(digit).sha256, at: now + .seconds(delay))
            }
            #expect(try await store.deliveredArtefacts(limit: 9).map(\.id) == [1, 0, 2, 3].map { files[$0].id })
            // A second delivery changes nothing.
            try await store.noteDelivery(of: object("b").sha256, at: now + .seconds(9))
            #expect(try await store.deliveredArtefacts(limit: 1).first?.deliveredAt == now + .seconds(1))
            _ = try await store.setPinned(true, files[2].id.task)
            #expect(try await store.deliveredArtefacts(limit: 9).map(\.id) == [1, 0].map { files[$0].id })
            // The contents came again, for a result that no client has had.
            let again = try await saved(5, "b", in: store)
            #expect(try await store.deliveredArtefacts(limit: 9).map(\.id) == [files[0].id])
            // That client has them as well now.
            try await store.noteDelivery(of: object("b").sha256, at: now + .seconds(20))
            #expect(try await store.deliveredArtefacts(limit: 9).map(\.id) == [files[1].id, files[0].id, again.id])
        }
    }

    @Test func `a file is marked, then noted as removed, and can be fetched again`() async throws {
        try await with { (store: TaskStore) async throws in
            let file = try await saved(1, "a", in: store)
            var other = file
            other.deliveredAt = now
            #expect(try await store.markForRemoval([other], because: "It changed.") == [])
            let marked = try await store.markForRemoval([file], because: "It made room.")
            #expect(marked.map(\.state) == [.removing] && marked.first?.object == file.object)
            #expect(try await store.artefactsToRemove(limit: 9) == marked)
            #expect(try await store.object(object("a").sha256) == nil)
            // The object is no orphan before it is noted as removed.
            #expect(try await store.orphans(among: [object("a").sha256]) == [])
            // Neither a late report nor a request brings it back meanwhile.
            try await store.put(file, at: now)
            try await store.retry(marked[0], at: now)
            #expect(try await store.artefacts(of: file.id.task) == marked)
            try await store.noteRemoval(of: marked[0])
            let removed = try #require(try await store.artefacts(of: file.id.task).first)
            #expect(removed.state == .removed && removed.object == nil && removed.error == "It made room.")
            #expect(try await store.orphans(among: [object("a").sha256]) == [object("a").sha256])
            try await store.retry(removed, at: now)
            #expect(try await store.artefacts(of: file.id.task).first?.state == .waiting)
        }
    }

    @Test func `a missing object has every result fetched again that has it`() async throws {
        try await with { (store: TaskStore) async throws in
            let files = [
                try await saved(1, "a", in: store), try await saved(2, "a", in: store),
                try await saved(3, "b", in: store),
            ]
            #expect(try await store.savedDigests(after: "", limit: 9) == [object("a").sha256, object("b").sha256])
            #expect(try await store.savedDigests(after: object("a").sha256, limit: 9) == [object("b").sha256])
            try await store.fetchAgain(object("a").sha256, at: now)
            var states: [Artefact.State] = []
            for file in files { states += try await store.artefacts(of: file.id.task).map(\.state) }
            #expect(states == [.waiting, .waiting, .saved])
        }
    }

    // MARK: Retention

    @Test func `files that are too old are marked, but for those of pinned tasks`() async throws {
        try await with { (store: TaskStore) async throws in
            var files: [Artefact] = []
            for (number, age) in [(1, 100), (2, 50), (3, 100)] {
                files.append(try await saved(number, "a", in: store, at: now - .seconds(age)))
            }
            _ = try await store.setPinned(true, files[2].id.task)
            var policy = RetentionPolicy()
            policy.artefacts = .seconds(60)
            for isDryRun in [true, false] {
                var sweep = RetentionSweep(policy, at: now)
                while !sweep.isOver { sweep = try await store.advance(sweep, isDryRun: isDryRun, at: now) }
                #expect(sweep.count.files == 1 && sweep.count.fileBytes == 5)
                #expect(try await store.artefactsToRemove(limit: 9).map(\.id) == (isDryRun ? [] : [files[0].id]))
            }
        }
    }

    @Test func `the files of a deleted task are marked, and those that wait are given up`() async throws {
        try await with { (store: TaskStore) async throws in
            let file = try await saved(1, "a", in: store)
            try await store.insert([artefact(file.id.task, 1)])
            _ = try await store.removeDetails(of: file.id.task, at: now)
            #expect(try await store.artefacts(of: file.id.task).map(\.state) == [.removing, .removed])
        }
    }

    @Test func `a task whose file is on disk stays as a stub`() async throws {
        try await with { (store: TaskStore) async throws in
            let file = try await saved(1, "a", in: store)
            _ = try await succeeded(2, in: store)
            var policy = RetentionPolicy()
            (policy.ended, policy.idempotencyKeys, policy.stubs) = (.seconds(1), .seconds(1), .seconds(2))
            let later = now + .seconds(90)
            func sweep() async throws {
                var sweep = RetentionSweep(policy, at: later)
                while !sweep.isOver { sweep = try await store.advance(sweep, at: later) }
            }
            for _ in 1...3 { try await sweep() }
            #expect(try await store.task(file.id.task)?.isStub == true)
            let marked = try await store.markForRemoval([file], because: "It is too old.")
            try await sweep()
            #expect(try await store.task(file.id.task)?.isStub == true)
            try await store.noteRemoval(of: try #require(marked.first))
            try await sweep()
            #expect(try await store.task(file.id.task) == nil)
        }
    }
}
