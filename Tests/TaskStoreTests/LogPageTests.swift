import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct LogPageTests {
    private let now = ManualTimeSource.start

    /// A store with forty tasks of two endpoints, some with labels, half of them cancelled, and a line about the
    /// daemon.
    private func withTasks(_ body: (TaskStore, [TrackedTask]) async throws -> Void) async throws {
        try await EachDatabase.with { (driver) async throws in
            let store = TaskStore(driver)
            let tasks = (0..<40).map { number in
                TrackedTask.task(
                    number, endpoint: number.isMultiple(of: 3) ? "image/edit" : "image/make",
                    labels: number.isMultiple(of: 4) ? ["batch": "\(number % 8)", "kind": "x"] : [:])
            }
            _ = try await store.insert(tasks.map { .new($0) })
            try await store.moveSchedule(by: .seconds(-90), at: now)
            for task in tasks.prefix(20) {
                _ = try await store.apply(.cancelRequested, to: task.id, at: now, nextDueAt: nil)
            }
            try await body(store, tasks)
        }
    }

    /// All lines that the filter selects, read in pages.
    private func sequences(_ store: TaskStore, _ filter: EventFilter, limit: Int) async throws -> [Int64] {
        var (found, place): ([Int64], Int64) = ([], 0)
        while true {
            let page = try await store.log.page(matching: filter, after: place, limit: limit)
            #expect(page.lines.count <= limit)
            #expect(page.through > place || page.isLast)
            found += page.lines.map(\.event.sequence)
            place = page.through
            if page.isLast { return found }
        }
    }

    @Test(arguments: [1, 3, 100])
    func `pages together have exactly the lines that the filter selects, in the order of the log`(
        limit: Int
    ) async throws {
        try await withTasks { (store, tasks) async throws in
            let log = try await store.log.read(after: 0, limit: 1_000)
            var filters = [EventFilter()]
            func add(_ change: (inout EventFilter) throws -> Void) rethrows {
                var filter = EventFilter()
                try change(&filter)
                filters.append(filter)
            }
            add { $0.tasks = [tasks[3].id, tasks[30].id, TrackedTask.task(999).id] }
            try add { $0.endpoints = [try #require(EndpointName("image/edit"))] }
            add { $0.states = [.cancelled, .running] }
            add { $0.labels = ["batch": "4", "kind": "x"] }
            add { $0.labels = ["batch": "5"] }
            try add {
                $0.tasks = Set(tasks.prefix(30).map(\.id))
                $0.endpoints = [try #require(EndpointName("image/edit"))]
                $0.states = [.cancelled]
                $0.labels = ["kind": "x"]
            }
            var counts: [Int] = []
            for filter in filters {
                let expected = log.compactMap { line -> Int64? in
                    guard case .task(let event) = line, let task = tasks.first(where: { $0.id == event.task }) else {
                        return nil
                    }
                    let isWanted =
                        (filter.tasks.isEmpty || filter.tasks.contains(task.id))
                        && (filter.endpoints.isEmpty || filter.endpoints.contains(task.endpoint))
                        && (filter.states.isEmpty || filter.states.contains(event.entry.to))
                        && filter.labels.allSatisfy { task.labels[$0.key] == $0.value }
                    return isWanted ? event.sequence : nil
                }
                #expect(try await sequences(store, filter, limit: limit) == expected)
                counts.append(expected.count)
            }
            #expect(counts == [60, 3, 21, 20, 7, 0, 2])
        }
    }

    @Test func `a line has its current task`() async throws {
        try await withTasks { (store, tasks) async throws in
            var filter = EventFilter()
            filter.tasks = [tasks[4].id]
            let lines = try await store.log.page(matching: filter, after: 0, limit: 9).lines
            #expect(lines.map(\.entry.kind) == ["created", "cancelled"])
            #expect(lines.map(\.task.state) == [.cancelled, .cancelled])
            #expect(lines[0].task.labels == ["batch": "4", "kind": "x"])
        }
    }

    @Test func `the bounds of the log stay when its last lines are removed`() async throws {
        try await withTasks { (store, tasks) async throws in
            let (before, oldest) = try await store.log.bounds()
            #expect(before.removedUpTo == 0)
            #expect(before.newest == 61)
            #expect(oldest == 1)
            for task in tasks.prefix(20) { _ = try await store.removeDetails(of: task.id, at: now) }
            let (after, next) = try await store.log.bounds()
            #expect(after.newest == 61)
            #expect(after.removedUpTo == 61)
            #expect(next == 21)
        }
    }
}
