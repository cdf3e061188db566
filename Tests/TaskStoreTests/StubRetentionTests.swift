import GRDB
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the removal of tasks without details. The plan of every statement is checked.
@Suite struct StubRetentionTests {
    private static let day = Duration.seconds(86_400)
    private let now = ManualTimeSource.start
    /// When a stub of a task that ended now may be removed.
    private let end = ManualTimeSource.start + Self.day * 200

    private func with(_ body: (TaskStore) async throws -> Void) async throws {
        try await EachDatabase.with { driver in try await body(TaskStore(driver)) }
    }

    private func policy(_ set: (inout RetentionPolicy) -> Void = { _ in }) -> RetentionPolicy {
        var policy = RetentionPolicy()
        policy.ended = Self.day * 90
        policy.idempotencyKeys = Self.day * 200
        policy.stubs = Self.day * 200
        set(&policy)
        return policy
    }

    /// Runs a complete sweep and returns the removed counts.
    @discardableResult
    private func sweep(
        _ store: TaskStore, _ policy: RetentionPolicy, keepingStubs: Bool = false, isDryRun: Bool = false,
        at time: Timestamp
    ) async throws -> RetentionSweep.Count {
        var sweep = RetentionSweep(policy, keepingStubs: keepingStubs, at: time)
        while !sweep.isOver { sweep = try await store.advance(sweep, isDryRun: isDryRun, at: time) }
        return sweep.count
    }

    /// Inserts a task that succeeded at that time and has no details.
    @discardableResult
    private func stub(
        _ number: Int, in store: TaskStore, key: String? = nil, at time: Timestamp? = nil
    ) async throws -> TrackedTask {
        let time = time ?? now
        let task = TrackedTask.task(number, at: time, labels: ["film": "a"])
        _ = try await store.insert(.new(task, key: key))
        _ = try await store.apply(.submissionStarted(), to: task.id, under: .testing, at: time, nextDueAt: time)
        let id = try #require(RemoteTaskID("remote-\(number)"))
        _ = try await store.apply(.submissionAccepted(id, traceID: nil), to: task.id, at: time, nextDueAt: time)
        let done = Observation(.succeeded(partial: false), record: ["url": "https://x/1.png"])
        _ = try await store.apply(.observed(done), to: task.id, at: time, nextDueAt: nil)
        _ = try await store.removeDetails(of: task.id, at: time)
        return task
    }

    /// Inserts a task that stays, so that other tasks are not the newest.
    private func insertNewest(in store: TaskStore) async throws {
        _ = try await store.insert(.new(.task(99, endpoint: "other/make", at: end)))
    }

    @Test func `unset times are a year if details have a time, and never shorter than it`() {
        var policy = RetentionPolicy()
        #expect(policy.isOff && policy.keySpan == nil && policy.stubSpan == nil)
        policy.failed = Self.day * 9
        #expect(policy.keySpan == nil && policy.stubSpan == nil)
        policy.ended = Self.day * 90
        #expect(policy.keySpan == Self.day * 365 && policy.stubSpan == Self.day * 365)
        policy.ended = Self.day * 1_000
        #expect(policy.keySpan == Self.day * 1_000 && policy.stubSpan == Self.day * 1_000)
        policy.idempotencyKeys = Self.day * 2_000
        policy.stubs = Self.day
        #expect(policy.stubSpan == Self.day * 2_000)
        policy = RetentionPolicy()
        policy.stubs = Self.day
        #expect(!policy.isOff && policy.keySpan == nil && policy.stubSpan == Self.day)
    }

    @Test func `a stub is removed after its time with its key, and its remote id is free`()
        async throws
    {
        try await with { (store: TaskStore) async throws in
            let task = try await stub(1, in: store, key: "k")
            // A stub can get lines again.
            let found = ScheduledEvent(
                .turnedUp(try #require(RemoteTaskID("late")), traceID: nil), for: task.id, attempt: 1, nextDueAt: nil)
            _ = try await store.apply([found], at: now)
            let line = try #require(try await store.events(of: task.id, after: 0, limit: 9).last?.sequence)
            try await insertNewest(in: store)
            #expect(try await sweep(store, policy(), at: end - .seconds(1)) == RetentionSweep.Count())
            #expect(
                try await store.insert(.new(.task(2), key: "k")) == .keyInUse(by: task.id, sameBody: true))
            let dry = try await sweep(store, policy(), isDryRun: true, at: end)
            let count = try await sweep(store, policy(), at: end)
            #expect(count == dry && count.stubs == 1 && count.keys == 1 && count.tasks == 0)
            #expect(try await store.task(task.id) == nil)
            var filter = TaskFilter()
            filter.labels = ["film": "a"]
            #expect(try await store.tasks(matching: filter, after: nil, limit: 9).tasks.isEmpty)
            #expect(try await store.counts().map(\.count) == [1])
            #expect(try await store.log.read(after: 0, limit: 99).first == .pruned(upTo: line))
            #expect(try await store.insert(.new(.task(3), key: "k")) == .created)
            #expect(
                try await store.insert(.new(.task(4, state: .running, remoteID: "remote-1"))) == .created)
            #expect(try await sweep(store, policy(), at: end) == RetentionSweep.Count())
        }
    }

    @Test func `a key is removed before its stub if its time is shorter`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await stub(1, in: store, key: "k")
            try await insertNewest(in: store)
            let spans = policy { $0.idempotencyKeys = Self.day * 100 }
            let dry = try await sweep(store, spans, isDryRun: true, at: now + Self.day * 100)
            let count = try await sweep(store, spans, at: now + Self.day * 100)
            #expect(count == dry && count.keys == 1 && count.stubs == 0)
            let left = try #require(try await store.task(task.id))
            #expect(left.isStub && left.removed?.at == now)
            #expect(try await store.insert(.new(.task(2), key: "k")) == .created)
            #expect(try await sweep(store, spans, at: now + Self.day * 101) == RetentionSweep.Count())
            #expect(try await sweep(store, spans, at: end).stubs == 1)
            #expect(try await store.task(task.id) == nil)
            #expect(
                try await store.insert(.new(.task(3), key: "k"))
                    == .keyInUse(by: TrackedTask.task(2).id, sameBody: true))
        }
    }

    @Test func `stubs and keys stay without a time, and a task with details is never removed`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await stub(1, in: store, key: "k")
            _ = try await store.insert(.new(.task(2, state: .failed)))
            let open = TrackedTask.task(3, state: .uncertain, endpoint: "far/make")
            _ = try await store.insert(.new(open))
            try await insertNewest(in: store)
            let late = now + Self.day * 10_000
            #expect(try await sweep(store, policy { $0 = RetentionPolicy() }, at: late) == RetentionSweep.Count())
            var spans = RetentionPolicy()
            spans.failed = Self.day
            #expect(try await sweep(store, spans, at: late).stubs == 0)
            #expect(try await store.task(task.id) != nil)
            // The sweep above has just made the failed task a stub. The next sweep removes it.
            spans.stubs = Self.day
            #expect(try await sweep(store, spans, at: late).stubs == 2)
            #expect(try await store.task(open.id)?.state == .uncertain)
            #expect(try await store.insert(.new(.task(5), key: "k")) == .created)
        }
    }

    @Test func `a pinned task is never removed`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .failed)
            _ = try await store.insert(.new(task, key: "k"))
            _ = try await store.setPinned(true, task.id)
            try await insertNewest(in: store)
            #expect(try await sweep(store, policy(), at: end + Self.day * 1_000) == RetentionSweep.Count())
            #expect(try await store.insert(.new(.task(2), key: "k")) == .keyInUse(by: task.id, sameBody: true))
        }
    }

    @Test(arguments: [TaskState.uncertain, .submitting])
    func `a stub stays while an attempt of the same time is searched for`(state: TaskState) async throws {
        try await with { (store: TaskStore) async throws in
            let near = try await stub(1, in: store)
            let far = try await stub(2, in: store, at: now - Self.day * 2)
            let other = try await stub(3, in: store, at: now)
            _ = try await store.insert(.new(.task(4, state: state, at: now + .seconds(3_600))))
            _ = try await store.insert(.new(.task(5, state: state, endpoint: "far/make")))
            try await insertNewest(in: store)
            #expect(try await sweep(store, policy(), at: end).stubs == 1)
            #expect(try await store.task(far.id) == nil)
            for kept in [near, other] { #expect(try await store.task(kept.id) != nil) }
            // Its record has been found.
            let id = try #require(RemoteTaskID("found"))
            let lost = TrackedTask.task(4, at: now + .seconds(3_600)).id
            let found: TaskEvent =
                state == .uncertain ? .foundInList(id, traceID: nil) : .submissionAccepted(id, traceID: nil)
            _ = try await store.apply(found, to: lost, at: end, nextDueAt: end)
            #expect(try await sweep(store, policy(), at: end).stubs == 2)
        }
    }

    @Test func `a stub stays while an attempt without a record was given up at the same time`() async throws {
        try await with { (store: TaskStore) async throws in
            try await stub(1, in: store)
            let lost = TrackedTask.task(2, state: .uncertain)
            _ = try await store.insert(.new(lost))
            let failure = TaskFailure.submissionLost(because: "it was given up")
            _ = try await store.apply(.givenUp(failure, .givenUp), to: lost.id, at: now, nextDueAt: nil)
            try await insertNewest(in: store)
            let details = policy { $0.ended = Self.day * 199 }
            #expect(try await sweep(store, policy { $0.ended = nil }, at: end).stubs == 0)
            // The attempt is removed with the details of its task.
            var attempt = try #require(try await store.givenUpAttempts(of: lost.id).first)
            for _ in 1...5 { attempt.wasRead(at: end) }
            try await store.noteReadings(of: [attempt])
            #expect(try await sweep(store, details, at: end).tasks == 1)
            #expect(try await sweep(store, details, at: end).stubs == 2)
        }
    }

    @Test func `the newest task stays so that its number is not used again`() async throws {
        try await with { (store: TaskStore) async throws in
            try await stub(1, in: store)
            let newest = try await stub(2, in: store)
            #expect(try await sweep(store, policy(), at: end).stubs == 1)
            #expect(try await store.task(newest.id) != nil)
            try await insertNewest(in: store)
            #expect(try await sweep(store, policy(), at: end).stubs == 1)
        }
    }

    @Test func `a sweep that keeps stubs removes everything else`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await stub(1, in: store, key: "k")
            _ = try await store.insert(.new(.task(2, state: .failed)))
            try await insertNewest(in: store)
            let count = try await sweep(store, policy(), keepingStubs: true, at: end)
            #expect(count.stubs == 0 && count.keys == 1 && count.tasks == 1)
            #expect(try await store.task(task.id) != nil)
        }
    }

    @Test func `many stubs are removed in small commits`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 1...120 { try await stub(number, in: store, key: "k\(number)") }
            try await insertNewest(in: store)
            let first = try await store.advance(RetentionSweep(policy(), at: end), at: end)
            #expect(first.count.stubs == 50 && first.count.keys == 50)
            #expect(try await store.counts().map(\.count).reduce(0, +) == 71)
            #expect(try await sweep(store, policy(), at: end).stubs == 70)
        }
    }

    @Test func `keys of the earlier schema still find their tasks`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let queue = try DatabaseQueue.earlier(migrations: 18, at: path)
        let (task, other) = (TrackedTask.task(1), TrackedTask.task(2))
        try await queue.write { db in
            for row in [task, other] {
                try db.execute(
                    sql: """
                        INSERT INTO task (id, endpoint, service, state, on_uncertain, created_at_ms, next_due_at_ms)
                        VALUES (?, 'image/make', 'image', 'queued', 'hold', 1, 1)
                        """, arguments: [row.id.text])
            }
            try db.execute(
                sql: "INSERT INTO idempotency_key VALUES ('k', ?, zeroblob(32), 1)", arguments: [other.id.text])
        }
        try queue.close()
        let driver = try SQLiteDriver.open(path: path)
        let store = TaskStore(driver)
        #expect(try await store.insert(.new(.task(3), key: "k")) == .keyInUse(by: other.id, sameBody: true))
        #expect(try await store.insert(.new(.task(3), key: "k", body: 1)) == .keyInUse(by: other.id, sameBody: false))
        #expect(try await store.insert(.new(.task(4), key: "new")) == .created)
        try driver.close()
    }
}
