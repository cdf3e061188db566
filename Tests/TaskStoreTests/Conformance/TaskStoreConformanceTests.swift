import Randomness
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the behaviour of any store, on each database. Another driver adds one line to ``EachDatabase``.
@Suite struct TaskStoreConformanceTests {
    let now = ManualTimeSource.start

    func with(_ body: (TaskStore) async throws -> Void) async throws {
        try await withDriver { driver in try await body(TaskStore(driver)) }
    }

    func withDriver(_ body: (any StoreDriver) async throws -> Void) async throws {
        try await EachDatabase.with(body)
    }

    func endpoint(_ text: String) throws -> EndpointName { try #require(EndpointName(text)) }
    func remote(_ text: String) throws -> RemoteTaskID { try #require(RemoteTaskID(text)) }

    @Test func `the due time is computed from the changed task, and the lifecycle runs once`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(state: .running)
            _ = try await store.insert(.new(task))
            let pending = Observation(.pending, record: [:], progress: 40)
            let events = [
                ScheduledEvent(
                    .observed(pending), for: task.id,
                    consequence: { $0.polls == 1 && $0.progress == 40 ? .slowerThanUsual : nil },
                    schedule: { [now] in now + .seconds(Int64($0.polls * 7) + Int64($0.progress ?? 0)) })
            ]
            let changes = try await store.apply(events, at: now)
            #expect(changes.map(\.task.nextDueAt) == [now + .seconds(47), now + .seconds(47)])
            let stored = try await store.task(task.id)
            #expect(stored?.nextDueAt == now + .seconds(47))
            #expect(stored?.slowAt == now)
            #expect(
                try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind)
                    == ["tracked", "slower_than_usual"])
        }
    }

    @Test func `two events of one batch cannot use the same remote id`() async throws {
        try await with { (store: TaskStore) async throws in
            let (one, other) = (TrackedTask.task(1, state: .uncertain), TrackedTask.task(2, state: .uncertain))
            _ = try await store.insert([.new(one), .new(other)])
            let id = try remote("r")
            await #expect(throws: TaskStoreError.remoteIDInUse(by: one.id)) {
                _ = try await store.apply(
                    [one, other].map { ScheduledEvent(.adopted(id), for: $0.id, nextDueAt: now) }, at: now)
            }
            #expect(try await store.task(one.id)?.state == .uncertain)
        }
    }

    @Test func `no stored record, failure, delivery or log entry contains a callback token`() async throws {
        try await with { (store: TaskStore) async throws in
            let token = String(repeating: "aB3_-", count: 9).prefix(43)
            let url = "https://pollux.example/callbacks/\(token)"
            let tasks = (1...3).map { TrackedTask.task($0, state: $0 == 2 ? .submitting : .running) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            let failure = TaskFailure(code: "bad", message: "no such address: \(url)")
            _ = try await store.apply(
                [
                    ScheduledEvent(
                        .observed(Observation(.pending, record: ["echo": .string(url)])), for: tasks[0].id,
                        nextDueAt: now),
                    ScheduledEvent(.submissionRefused(failure), for: tasks[1].id, nextDueAt: nil),
                    ScheduledEvent(
                        .calledBack(
                            CallbackDelivery(
                                attempt: 1,
                                observation: Observation(.succeeded(partial: false), record: ["echo": .string(url)]))),
                        for: tasks[2].id, nextDueAt: now),
                ], at: now)
            let record = try await store.taskWithPayload(tasks[0].id)?.payload.response
            #expect(record == ["echo": "https://pollux.example/callbacks/(token)"])
            #expect(try await store.task(tasks[1].id)?.failure?.message.contains(token) == false)
            #expect(
                try await store.deliveredOutcome(of: tasks[2].id)
                    == ["echo": "https://pollux.example/callbacks/(token)"])
            for event in try await store.log.read(after: 0, limit: 99) {
                guard case .task(let event) = event else { continue }
                #expect(!JSONValue.object(event.entry.detail).text.contains(token))
            }
        }
    }

    @Test func `an older circuit state does not overwrite a newer one`() async throws {
        try await with { (store: TaskStore) async throws in
            var circuit = CircuitState(kind: .polls, name: "image")
            circuit.revision = 2
            circuit.failures = 2
            try await store.save(circuit)
            circuit.revision = 1
            circuit.failures = 1
            try await store.save(circuit)
            #expect(try await store.circuits().map(\.failures) == [2])
            circuit.revision = 3
            try await store.save(circuit)
            #expect(try await store.circuits().map(\.failures) == [1])
        }
    }

    // MARK: Circuit breakers

    @Test func `circuit states are read unchanged, the latest of each`() async throws {
        try await with { (store: TaskStore) async throws in
            var circuit = CircuitState(kind: .submissions, name: "image/make")
            circuit.pause = CircuitState.Pause(code: "paused", message: "by hand")
            circuit.failures = 3
            circuit.closedUntil = now
            circuit.lastError = TaskFailure(code: "busy", message: "Later.", httpStatus: 500)
            circuit.lastErrorAt = now
            circuit.revision = 2
            try await store.save(CircuitState(kind: .submissions, name: "image/make"))
            try await store.save(circuit)
            // An older revision changes nothing.
            var stale = CircuitState(kind: .submissions, name: "image/make")
            stale.revision = 1
            try await store.save(stale)
            try await store.save(CircuitState(kind: .polls, name: "image/make"))
            let circuits = try await store.circuits()
            #expect(circuits.count == 2)
            #expect(circuits.contains(circuit))
        }
    }

    // MARK: Random events

    @Test(arguments: [UInt64(1), 2, 3])
    func `any order of events can be stored`(seed: UInt64) async throws {
        try await with { (store: TaskStore) async throws in
            var random = SeededRandom(seed: seed)
            let tasks = (0..<8).map { TrackedTask.task($0) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            for step in 0..<250 {
                let task = tasks[Int.random(in: tasks.indices, using: &random)]
                let event = TaskEvent.random(using: &random)
                let before = try #require(try await store.task(task.id))
                let due = Bool.random(using: &random) ? now : nil
                let place = "seed \(seed), step \(step): \(event.kind) on \(before.state)"
                var expected = TaskLifecycle.apply(event, to: before, at: now + .seconds(step), nextDueAt: due)
                if expected.transition == .advance(to: .submitting) {
                    expected.task.attempt?.lease = LeaseHolder.thisProcess.token
                }
                // All attempts were made by one account, which the log names.
                if expected.task.account == .unknown, expected.task.remoteID != before.remoteID {
                    expected.task.account = .default
                }
                do {
                    let change = try await store.apply(
                        event, to: task.id, under: .testing, at: now + .seconds(step), nextDueAt: due)
                    #expect(change == expected, "\(place)")
                    #expect(try await store.task(task.id) == expected.task, "\(place)")
                } catch {
                    Issue.record("\(place): \(error)")
                }
            }
        }
    }
}
