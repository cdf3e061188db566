import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the application of events.
extension TaskStoreConformanceTests {
    @Test func `an event changes row, record and log in one transaction`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let observation = Observation(.succeeded(partial: true), record: ["id": "x", "n": 1], progress: 50)
            let change = try await store.apply(
                .observed(observation), to: task.id, at: now + .seconds(5), nextDueAt: nil)
            #expect(change?.transition == .advance(to: .succeeded))
            let stored = try #require(try await store.taskWithPayload(task.id))
            #expect(stored.task == change?.task)
            #expect(stored.task.endedAt == now + .seconds(5))
            #expect(stored.payload.response == ["id": "x", "n": 1])
            #expect(
                try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind) == ["tracked", "observed"])
        }
    }

    @Test func `the latest record is stored, even if it equals an earlier one`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            for number: JSONValue in [1, 1, 2, 2, 1] {
                let record: JSONValue = ["id": "x", "n": number]
                _ = try await store.apply(
                    .observed(Observation(.pending, record: record)), to: task.id, at: now, nextDueAt: now)
                #expect(try await store.taskWithPayload(task.id)?.payload.response == record)
            }
            #expect(try await store.task(task.id)?.polls == 5)
        }
    }

    @Test func `an event that the state does not allow changes nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let refused = try await store.apply(.adopted(try remote("r")), to: task.id, at: now, nextDueAt: now)
            #expect(refused?.transition == .refuse(.notUncertain))
            let ignored = try await store.apply(.remoteTaskGone, to: task.id, at: now, nextDueAt: now)
            #expect(ignored?.transition == .ignore)
            #expect(try await store.task(task.id) == task)
            #expect(try await store.events(of: task.id, after: 0, limit: 9).count == 1)
        }
    }

    @Test func `only the first of concurrent starts takes effect`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let transitions = try await withThrowingTaskGroup(of: Transition?.self) { group in
                for _ in 0..<20 {
                    group.addTask { [now] in
                        try await store.apply(
                            .submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)?.transition
                    }
                }
                return try await group.reduce(into: [Transition]()) { if let one = $1 { $0.append(one) } }
            }
            #expect(transitions.filter { $0 == .advance(to: .submitting) }.count == 1)
            #expect(transitions.filter { $0 == .ignore }.count == 19)
            #expect(try await store.task(task.id)?.attempts == 1)
        }
    }

    @Test func `an unknown id finds and changes nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = TrackedTask.task(1).id
            #expect(try await store.apply(.missed, to: id, at: now, nextDueAt: now) == nil)
            #expect(try await store.task(id) == nil)
            #expect(try await store.taskWithPayload(id) == nil)
            #expect(try await store.events(of: id, after: 0, limit: 9).isEmpty)
            try await store.postpone([id], until: now)
        }
    }

    @Test func `a batch is applied in order and skips unknown tasks`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let changes = try await store.apply(
                [
                    ScheduledEvent(.submissionStarted(), for: task.id, under: .testing, nextDueAt: now),
                    ScheduledEvent(.missed, for: TrackedTask.task(2).id, nextDueAt: now),
                    ScheduledEvent(.submissionAccepted(try remote("r"), traceID: nil), for: task.id, nextDueAt: now),
                ], at: now)
            #expect(changes.map(\.task.state) == [.submitting, .running])
            #expect(try await store.apply([], at: now).isEmpty)
        }
    }

    @Test func `a batch with one failing event changes nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(.task(1, state: .running, remoteID: "r")))
            let free = TrackedTask.task(2)
            let lost = TrackedTask.task(3, state: .uncertain)
            for task in [free, lost] { _ = try await store.insert(.new(task)) }
            await #expect(throws: TaskStoreError.remoteIDInUse(by: TrackedTask.task(1).id)) {
                _ = try await store.apply(
                    [
                        ScheduledEvent(.submissionStarted(), for: free.id, under: .testing, nextDueAt: now),
                        ScheduledEvent(.adopted(try remote("r")), for: lost.id, nextDueAt: now),
                    ], at: now)
            }
            #expect(try await store.task(free.id) == free)
            #expect(try await store.task(lost.id) == lost)
        }
    }

    @Test func `a remote id from the provider's reply is stored even if another task has it`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(.task(1, state: .running, remoteID: "r")))
            let task = TrackedTask.task(2, state: .submitting)
            _ = try await store.insert(.new(task))
            let change = try await store.apply(
                .submissionAccepted(try remote("r"), traceID: nil), to: task.id, at: now, nextDueAt: now)
            #expect(change?.task.state == .running)
            #expect(try await store.task(task.id)?.remoteID?.text == "r")
        }
    }

    @Test func `log lines are read in pages, oldest first`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            _ = try await store.insert(.new(.task(2)))
            for _ in 0..<3 {
                _ = try await store.apply(.submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
                _ = try await store.apply(
                    .submissionNotAccepted(TaskFailure(code: "busy", message: "Later.")), to: task.id, at: now,
                    nextDueAt: now)
            }
            var kinds: [String] = []
            var after: Int64 = 0
            while true {
                let page = try await store.events(of: task.id, after: after, limit: 2)
                guard let last = page.last else { break }
                #expect(page.allSatisfy { $0.sequence > after && $0.task == task.id })
                kinds += page.map(\.entry.kind)
                after = last.sequence
            }
            #expect(
                kinds == ["created"]
                    + Array(repeating: ["submission_started", "submission_not_accepted"], count: 3).joined())
        }
    }

    // MARK: Settling

    @Test func `settle passes the uncertain and submitting tasks of one service and the owned ids`() async throws {
        try await with { (store: TaskStore) async throws in
            let lost = TrackedTask.task(1, state: .uncertain)
            let sending = TrackedTask.task(2, state: .submitting)
            for task in [
                lost, sending, .task(3, state: .uncertain, endpoint: "video/make"),
                .task(4, state: .running, remoteID: "r-own"),
                .task(5, state: .running, endpoint: "video/make", remoteID: "r-free"),
            ] { _ = try await store.insert(.new(task)) }
            let (owned, free) = (try remote("r-own"), try remote("r-free"))
            let now = now
            let changes = try await store.settle(
                service: "image", attemptedIn: now - .seconds(60)...now + .seconds(60), candidates: [owned, free],
                at: now
            ) { view in
                #expect(view.uncertain.map(\.task) == [lost])
                #expect(view.uncertain.first?.payload.request == ["prompt": "a cat"])
                #expect(view.submitting.map(\.task) == [sending])
                #expect(view.owned == [owned])
                return [ScheduledEvent(.foundInList(free, traceID: nil), for: lost.id, nextDueAt: now)]
            }
            #expect(changes.map(\.task.state) == [.running])
            #expect(try await store.task(lost.id)?.remoteID == free)
        }
    }

    @Test func `settle with the id of another task fails and changes nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            let owner = TrackedTask.task(1, state: .running, remoteID: "r")
            let lost = TrackedTask.task(2, state: .uncertain)
            for task in [owner, lost] { _ = try await store.insert(.new(task)) }
            let (id, now) = (try remote("r"), now)
            await #expect(throws: TaskStoreError.remoteIDInUse(by: owner.id)) {
                _ = try await store.settle(
                    service: "image", attemptedIn: now - .seconds(60)...now, candidates: [id], at: now
                ) { _ in
                    [ScheduledEvent(.foundInList(id, traceID: nil), for: lost.id, nextDueAt: now)]
                }
            }
            #expect(try await store.task(lost.id) == lost)
        }
    }
}
