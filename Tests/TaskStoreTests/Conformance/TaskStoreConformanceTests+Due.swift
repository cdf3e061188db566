import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the queue and due tasks.
extension TaskStoreConformanceTests {
    @Test func `the queue is sorted by priority, then age, without tasks that may not start yet`() async throws {
        try await with { (store: TaskStore) async throws in
            let tasks = [
                TrackedTask.task(1), .task(2, priority: 5), .task(3), .task(4, priority: 5), .task(5, priority: -1),
                .task(6, priority: 9, notBefore: now + .seconds(10)), .task(7, endpoint: "image/edit"),
                .task(8, priority: 9, deadline: now),
            ]
            for task in tasks { _ = try await store.insert(.new(task)) }
            let make = try endpoint("image/make")
            let order = [2, 4, 1, 3, 5].map { TrackedTask.task($0).id }
            #expect(try await store.queued(on: make, at: now, limit: 99).map(\.id) == order)
            #expect(try await store.queued(on: make, at: now, limit: 2).map(\.id) == Array(order.prefix(2)))
            #expect(try await store.queued(on: make, at: now, limit: 0).isEmpty)
            #expect(try await store.nextQueued(on: make, after: now) == now + .seconds(10))
            #expect(try await store.queued(on: make, at: now + .seconds(10), limit: 1).map(\.priority) == [9])
        }
    }

    @Test func `a long queue is in order even if many tasks wait for a later time`() async throws {
        try await with { (store: TaskStore) async throws in
            let make = try endpoint("image/make")
            for number in 0..<300 { _ = try await store.insert(.new(.task(number, priority: number % 3))) }
            for number in 300..<600 {
                _ = try await store.insert(.new(.task(number, priority: 5, notBefore: now + .seconds(60))))
            }
            let order = [2, 1, 0].flatMap { rest in (0..<300).filter { $0 % 3 == rest } }.map {
                TrackedTask.task($0).id
            }
            #expect(try await store.queued(on: make, at: now, limit: 999).map(\.id) == order)
            #expect(try await store.queued(on: make, at: now, limit: 5).map(\.id) == Array(order.prefix(5)))
        }
    }

    @Test func `due tasks exclude those of the caller`() async throws {
        try await with { (store: TaskStore) async throws in
            // Two tasks for each time, so that there are ties.
            let tasks = (0..<12).map { TrackedTask.task($0, state: .running, at: now + .seconds($0 / 2)) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            _ = try await store.insert(.new(.task(20, state: .running, endpoint: "video/make", at: now)))
            func due(_ excluding: Set<TaskID>, limit: Int = 99) async throws(TaskStoreError) -> [TrackedTask] {
                try await store.due(
                    in: .running, of: "image", by: now + .seconds(4), excluding: excluding, limit: limit)
            }
            let all = try await due([])
            #expect(all.count == 10)
            let absent = TrackedTask.task(99).id
            for leftOut in [all[0..<3], all[4..<7], all[8..<10], all[0..<10], [all[0], all[5], all[9]]] {
                let excluding = Set(leftOut.map(\.id)).union([absent, tasks[11].id])
                let others = all.filter { !excluding.contains($0.id) }
                #expect(try await due(excluding) == others)
                for limit in [0, 1, 4] {
                    #expect(try await due(excluding, limit: limit) == Array(others.prefix(limit)))
                }
            }
            #expect(try await due([absent]) == all)
        }
    }

    @Test func `due tasks are of one service and state, the most overdue first`() async throws {
        try await with { (store: TaskStore) async throws in
            for (number, seconds) in [3, 1, 2, 9].enumerated() {
                _ = try await store.insert(.new(.task(number, state: .running, at: now + .seconds(seconds))))
            }
            _ = try await store.insert(.new(.task(10, state: .running, endpoint: "video/make", at: now)))
            _ = try await store.insert(.new(.task(11, state: .uncertain, at: now)))
            _ = try await store.insert(.new(.task(12, state: .succeeded, at: now)))
            let due = try await store.due(in: .running, of: "image", by: now + .seconds(3), limit: 9)
            #expect(due.map(\.createdAt) == [1, 2, 3].map { now + .seconds($0) })
            #expect(try await store.due(in: .running, of: "image", by: now + .seconds(3), limit: 1).count == 1)
            #expect(try await store.nextDue(in: .running, of: "image") == now + .seconds(1))
            #expect(try await store.nextDue(in: .running, of: "none") == nil)
            #expect(try await store.services(in: .running) == ["image", "video"])
            #expect(try await store.services(in: .uncertain) == ["image"])
            #expect(try await store.services(in: .submitting).isEmpty)
        }
    }

    @Test func `only an open task is postponed`() async throws {
        try await with { (store: TaskStore) async throws in
            let open = TrackedTask.task(1, state: .running)
            let ended = TrackedTask.task(2, state: .succeeded)
            for task in [open, ended] { _ = try await store.insert(.new(task)) }
            try await store.postpone([open.id, ended.id], until: now + .seconds(60))
            #expect(try await store.task(open.id)?.nextDueAt == now + .seconds(60))
            #expect(try await store.task(ended.id) == ended)
            #expect(try await store.events(of: open.id, after: 0, limit: 9).count == 1)
        }
    }

    @Test func `queued and running tasks after their deadline are overdue`() async throws {
        try await with { (store: TaskStore) async throws in
            let deadline = now + .seconds(10)
            for (number, state) in TaskState.allCases.enumerated() {
                _ = try await store.insert(.new(.task(number, state: state, deadline: deadline)))
            }
            _ = try await store.insert(.new(.task(90, deadline: deadline + .seconds(1))))
            _ = try await store.insert(.new(.task(91)))
            #expect(try await store.overdue(at: deadline - .milliseconds(1), limit: 9).isEmpty)
            #expect(Set(try await store.overdue(at: deadline, limit: 9).map(\.state)) == [.queued, .running])
            #expect(try await store.nextDeadline() == deadline)
        }
    }
}
