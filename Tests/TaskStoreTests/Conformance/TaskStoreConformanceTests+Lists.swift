import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests lists and counts.
extension TaskStoreConformanceTests {
    @Test func `pages have every task once, newest first, while new ones arrive`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<25 { _ = try await store.insert(.new(.task(number))) }
            var seen: [TaskID] = []
            var cursor: PageCursor?
            var number = 100
            repeat {
                let page = try await store.tasks(matching: TaskFilter(), after: cursor, limit: 4)
                seen += page.tasks.map(\.task.id)
                _ = try await store.insert(.new(.task(number)))
                number += 1
                cursor = page.next.flatMap { PageCursor(text: $0.text) }
            } while cursor != nil
            #expect(seen == (0..<25).reversed().map { TrackedTask.task($0).id })
        }
    }

    @Test func `the last page has no cursor`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<4 { _ = try await store.insert(.new(.task(number))) }
            #expect(try await store.tasks(matching: TaskFilter(), after: nil, limit: 4).next == nil)
            #expect(try await store.tasks(matching: TaskFilter(), after: nil, limit: 3).next != nil)
        }
    }

    @Test func `a page of large records ends early, and the next continues`() async throws {
        try await with { (store: TaskStore) async throws in
            let picture = JSONValue.object(JSONObject([("data", .string(String(repeating: "A", count: 5 << 20)))]))
            for number in 0..<8 { _ = try await store.insert(.new(.task(number), response: picture)) }
            var sizes: [Int] = []
            var cursor: PageCursor?
            repeat {
                let page = try await store.tasks(matching: TaskFilter(), after: cursor, limit: 500)
                sizes.append(page.tasks.count)
                cursor = page.next
            } while cursor != nil
            #expect(sizes == [4, 4, 0] || sizes == [4, 4])
        }
    }

    @Test func `filters select tasks, and several filters must all match`() async throws {
        try await with { (store: TaskStore) async throws in
            let tasks: [TrackedTask] = [
                .task(1, labels: ["team": "a", "job": "x"]), .task(2, labels: ["team": "b"]),
                .task(3, state: .running, labels: ["team": "a"]),
                .task(4, state: .failed, endpoint: "video/make", at: now + .seconds(5), labels: ["job": "x"]),
            ]
            for task in tasks { _ = try await store.insert(.new(task)) }
            func numbers(_ change: (inout TaskFilter) -> Void) async throws -> [Int] {
                var filter = TaskFilter()
                change(&filter)
                let found = try await store.tasks(matching: filter, after: nil, limit: 99).tasks.map(\.task.id)
                return tasks.indices.filter { found.contains(tasks[$0].id) }.map { $0 + 1 }
            }
            let video = try endpoint("video/make")
            #expect(try await numbers { $0.states = [.queued] } == [1, 2])
            #expect(try await numbers { $0.states = [.running, .failed] } == [3, 4])
            #expect(try await numbers { $0.endpoints = [video] } == [4])
            #expect(try await numbers { $0.labels = ["team": "a"] } == [1, 3])
            #expect(try await numbers { $0.labels = ["team": "a", "job": "x"] } == [1])
            #expect(try await numbers { $0.labels = ["team": "x"] } == [])
            #expect(try await numbers { $0.createdAfter = now } == [4])
            #expect(try await numbers { $0.createdBefore = now + .seconds(5) } == [1, 2, 3])
            #expect(
                try await numbers {
                    $0.states = [.queued]; $0.labels = ["team": "a"]
                } == [1])
            #expect(try await numbers { _ in } == [1, 2, 3, 4])
        }
    }

    @Test func `labels with characters that no label has find nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(.task(1, labels: ["team": "a", "job": "x"])))
            var filter = TaskFilter()
            filter.labels = ["team": "a", "job": "\0"]
            #expect(try await store.tasks(matching: filter, after: nil, limit: 9).tasks.isEmpty)
            var lines = EventFilter()
            lines.labels = ["team": "a", "jo\0b": "x"]
            #expect(try await store.log.page(matching: lines, after: 0, limit: 9).lines.isEmpty)
        }
    }

    @Test func `a count is that of the list, and stops at its limit`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(
                (0..<60).map { number in
                    .new(
                        .task(
                            number, state: number % 3 == 0 ? .failed : .queued,
                            endpoint: number % 2 == 0 ? "image/make" : "video/make",
                            at: now + .seconds(number), labels: ["n": "\(number % 5)", "all": "1"]))
                })
            let video = try endpoint("video/make")
            let changes: [@Sendable (inout TaskFilter) -> Void] = [
                { _ in }, { $0.states = [.failed] }, { $0.endpoints = [video] },
                {
                    $0.states = [.failed, .queued]; $0.endpoints = [video]
                }, { $0.labels = ["n": "3"] },
                {
                    $0.labels = ["n": "3", "all": "1"]; $0.states = [.queued]
                }, { $0.createdAfter = now + .seconds(9) },
                {
                    $0.createdBefore = now + .seconds(9); $0.endpoints = [video]
                }, { $0.isRetried = true },
                { $0.labels = ["n": "9"] }, { $0.isHeldByBudget = true },
            ]
            for (place, change) in changes.enumerated() {
                var filter = TaskFilter()
                change(&filter)
                let listed = try await store.tasks(matching: filter, after: nil, limit: 500).tasks.count
                #expect(
                    try await store.count(matching: filter) == FilteredCount(count: listed, isComplete: true),
                    "\(place)")
            }
        }
    }

    @Test func `labels are listed by name and by value, each once, by their beginning`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(
                (0..<40).map { .new(.task($0, labels: ["job": "j\($0 % 12)", "team": "red", "träge": "%_"])) })
            #expect(try await store.labels(named: nil, withPrefix: "", limit: 9) == ["job", "team", "träge"])
            #expect(try await store.labels(named: nil, withPrefix: "t", limit: 9) == ["team", "träge"])
            #expect(try await store.labels(named: nil, withPrefix: "t", limit: 1) == ["team"])
            #expect(try await store.labels(named: nil, withPrefix: "x", limit: 9) == [])
            #expect(try await store.labels(named: "job", withPrefix: "j1", limit: 9) == ["j1", "j10", "j11"])
            #expect(try await store.labels(named: "job", withPrefix: "", limit: 50).count == 12)
            #expect(try await store.labels(named: "träge", withPrefix: "%", limit: 9) == ["%_"])
            #expect(try await store.labels(named: "none", withPrefix: "", limit: 9) == [])
        }
    }

    @Test func `a list reads only the documents that it is asked for`() async throws {
        try await with { (store: TaskStore) async throws in
            let text = String(repeating: "A", count: 2_000)
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let record: JSONValue = ["url": "https://x/1.png", "text": .string(text)]
            var observation = Observation(.succeeded(partial: false), record: record)
            observation.results = try ["/url", "/text"].map { pointer in
                let pointer = try #require(JSONPointer(pointer))
                return TaskResult(
                    kind: .text, pointer: pointer, value: try #require(record.value(at: pointer)), mediaType: nil,
                    sizeInBytes: nil)
            }
            _ = try await store.apply(.observed(observation), to: task.id, at: now, nextDueAt: nil)
            func listed(_ documents: ListedDocuments) async throws -> TaskPayload {
                let page = try await store.tasks(matching: TaskFilter(), after: nil, limit: 9, with: documents)
                #expect(page.tasks.map(\.task.id) == [task.id])
                return try #require(page.tasks.first).payload
            }
            let none = try await listed([])
            #expect(none.request == .null && none.response == nil && none.results == [])
            let request = try await listed([.request])
            #expect(request.request["prompt"] != nil && request.response == nil)
            let results = try await listed([.results])
            #expect(results.request == .null && results.response == nil)
            // The longer one is in the record only.
            #expect(results.results?.map(\.value) == ["https://x/1.png", .null])
            let both = try await listed([.results, .response])
            #expect(both.request == .null && both.response == record)
            #expect(both.results?.map(\.value) == ["https://x/1.png", .string(text)])
        }
    }

    @Test func `a prefix of an id finds the ids that have it`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<5 { _ = try await store.insert(.new(.task(number))) }
            let id = TrackedTask.task(3).id
            #expect(try await store.ids(withPrefix: id.text, limit: 9) == [id])
            #expect(try await store.ids(withPrefix: String(id.text.prefix(30)).uppercased(), limit: 9) == [id])
            #expect(try await store.ids(withPrefix: String(id.text.prefix(8)), limit: 9).count == 5)
            #expect(try await store.ids(withPrefix: String(id.text.prefix(8)), limit: 2).count == 2)
            #expect(try await store.ids(withPrefix: "ffffffff", limit: 9).isEmpty)
        }
    }

    @Test func `counts are by endpoint and state`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 1...5 {
                let task = TrackedTask.task(number, state: .running)
                _ = try await store.insert(.new(task))
                let observation = Observation(.succeeded(partial: false), record: [:])
                _ = try await store.apply(
                    .observed(observation), to: task.id, at: now + .seconds(number), nextDueAt: nil)
            }
            _ = try await store.insert(.new(.task(6, state: .failed)))
            let counts = Dictionary(uniqueKeysWithValues: try await store.counts().map { ($0.state, $0.count) })
            #expect(counts == [.succeeded: 5, .failed: 1])
        }
    }
}
