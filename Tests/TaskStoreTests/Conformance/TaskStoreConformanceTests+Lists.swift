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
