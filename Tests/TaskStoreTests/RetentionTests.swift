import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests retention. The plan of every statement is checked.
@Suite struct RetentionTests {
    private let now = ManualTimeSource.start
    private let later = ManualTimeSource.start + .seconds(100 * 86_400)

    private func with(_ body: (TaskStore) async throws -> Void) async throws {
        try await EachDatabase.with { driver in try await body(TaskStore(driver)) }
    }

    private func policy(_ set: (inout RetentionPolicy) -> Void = { $0.ended = .seconds(90 * 86_400) })
        -> RetentionPolicy
    {
        var policy = RetentionPolicy()
        set(&policy)
        return policy
    }

    /// Runs a complete sweep and returns the removed counts.
    @discardableResult
    private func sweep(
        _ store: TaskStore, _ policy: RetentionPolicy, isDryRun: Bool = false, at time: Timestamp
    ) async throws -> RetentionSweep.Count {
        var sweep = RetentionSweep(policy, at: time)
        while !sweep.isOver { sweep = try await store.advance(sweep, isDryRun: isDryRun, at: time) }
        return sweep.count
    }

    /// Creates a task that has just succeeded, with results.
    @discardableResult
    private func succeed(_ number: Int, in store: TaskStore, key: String? = nil) async throws -> TrackedTask {
        let task = TrackedTask.task(number, labels: ["film": "a"])
        _ = try await store.insert(.new(task, request: ["prompt": "private"], key: key))
        let token = CallbackDigest([UInt8](repeating: UInt8(number), count: 32))
        _ = try await store.apply(
            .submissionStarted(callback: token), to: task.id, under: .testing, at: now, nextDueAt: now)
        let id = try #require(RemoteTaskID("remote-\(number)"))
        _ = try await store.apply(.submissionAccepted(id, traceID: nil), to: task.id, at: now, nextDueAt: now)
        var done = Observation(.succeeded(partial: false), record: ["url": .string("https://x/\(number).png")])
        done.results = [
            TaskResult(kind: .url, pointer: JSONPointer(tokens: ["url"]), value: .string("https://x/\(number).png"))
        ]
        let change = try await store.apply(.observed(done), to: task.id, at: now, nextDueAt: nil)
        return try #require(change?.task)
    }

    @Test func `a sweep removes all details of old tasks and leaves stubs`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await succeed(1, in: store, key: "k")
            #expect(try await sweep(store, policy(), at: now + .seconds(89 * 86_400)) == RetentionSweep.Count())
            #expect(try await store.taskWithPayload(task.id)?.payload.results?.count == 1)
            let count = try await sweep(store, policy(), at: later)
            #expect(count.tasks == 1 && count.events == 4 && count.bytes > 0)
            let stub = try #require(try await store.taskWithPayload(task.id))
            #expect(stub.task.isStub && stub.task.removed?.at == later)
            #expect(stub.payload.request == .null && stub.payload.response == nil)
            #expect(stub.payload.results == [])
            #expect(try await store.events(of: task.id, after: 0, limit: 9).isEmpty)
            #expect(
                try await store.owner(of: try #require(CallbackDigest([UInt8](repeating: 1, count: 32)))) == nil)
            #expect(stub.task.state == task.state && stub.task.endedAt == task.endedAt)
            #expect(stub.task.labels == ["film": "a"] && stub.task.endpoint == task.endpoint)
            #expect(stub.task.remoteID == task.remoteID && stub.task.attempts == 1)
            #expect(try await store.counts().map(\.count) == [1])
            // A second sweep changes nothing.
            #expect(try await sweep(store, policy(), at: later + .seconds(9)) == RetentionSweep.Count())
            #expect(try await store.task(task.id)?.removed?.at == later)
        }
    }

    @Test func `a key finds its task after its details were removed`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await succeed(1, in: store, key: "k")
            try await sweep(store, policy(), at: later)
            let again = NewTask.new(.task(2), request: ["prompt": "private"], key: "k")
            #expect(try await store.insert(again) == .keyInUse(by: task.id, sameBody: true))
            let other = NewTask.new(.task(2), request: ["prompt": "private"], key: "k", body: 1)
            #expect(try await store.insert(other) == .keyInUse(by: task.id, sameBody: false))
        }
    }

    @Test func `a stub keeps its remote id, and no other task can get it`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await succeed(1, in: store)
            try await sweep(store, policy(), at: later)
            #expect(
                try await store.insert(.new(.task(2, state: .running, remoteID: "remote-1")))
                    == .remoteIDInUse(by: task.id))
            let lost = TrackedTask.task(3, state: .uncertain)
            _ = try await store.insert(.new(lost))
            let id = try #require(RemoteTaskID("remote-1"))
            let owned = Mutex<Set<RemoteTaskID>>([])
            _ = try await store.settle(
                service: lost.endpoint.service, attemptedIn: now...now, candidates: [id], at: later
            ) { view in
                owned.withLock { $0 = view.owned }
                return []
            }
            #expect(owned.withLock { $0 } == [id])
            await #expect(throws: TaskStoreError.remoteIDInUse(by: task.id)) {
                _ = try await store.apply(.adopted(id), to: lost.id, at: later, nextDueAt: later)
            }
        }
    }

    @Test func `a late record belongs to its task after the task's details were removed`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .uncertain)
            _ = try await store.insert(.new(task))
            let lost = TaskFailure.submissionLost(because: "it was given up")
            _ = try await store.apply(.givenUp(lost, .givenUp), to: task.id, at: now, nextDueAt: nil)
            let id = try #require(RemoteTaskID("late"))
            let found = ScheduledEvent(.turnedUp(id, traceID: nil), for: task.id, attempt: 1, nextDueAt: nil)
            _ = try await store.apply([found], at: now)
            // A paid result that was not fetched stays until a person deletes it.
            try await sweep(store, policy(), at: later)
            #expect(try await store.task(task.id)?.isStub == false)
            guard case .made(let stub) = try await store.removeDetails(of: task.id, at: later) else {
                Issue.record("the removal was refused")
                return
            }
            #expect(stub.isStub && stub.remoteID == id)
            #expect(
                try await store.insert(.new(.task(2, state: .running, remoteID: "late"))) == .remoteIDInUse(by: task.id)
            )
        }
    }

    @Test func `open and pinned tasks and tasks with unsettled attempts keep their details`() async throws {
        try await with { (store: TaskStore) async throws in
            for (number, state) in TaskState.open.enumerated() {
                _ = try await store.insert(.new(.task(number + 10, state: state)))
            }
            let pinned = try await succeed(1, in: store)
            _ = try await store.setPinned(true, pinned.id)
            let sought = TrackedTask.task(2, state: .uncertain)
            _ = try await store.insert(.new(sought))
            let lost = TaskFailure.submissionLost(because: "it was given up")
            _ = try await store.apply(.givenUp(lost, .givenUp), to: sought.id, at: now, nextDueAt: nil)
            #expect(try await sweep(store, policy(), at: later) == RetentionSweep.Count())
            for (number, state) in TaskState.open.enumerated() {
                let id = TrackedTask.task(number + 10, state: state).id
                #expect(try await refusal(of: store.removeDetails(of: id, at: later)) == .notEnded)
            }
            #expect(try await refusal(of: store.removeDetails(of: pinned.id, at: later)) == .pinned)
            #expect(try await refusal(of: store.removeDetails(of: sought.id, at: later)) == .notSettled)
            // The attempt is settled after all readings.
            var attempt = try #require(try await store.givenUpAttempts(of: sought.id).first)
            for _ in 1...5 { attempt.wasRead(at: later) }
            try await store.noteReadings(of: [attempt])
            _ = try await store.setPinned(false, pinned.id)
            #expect(try await sweep(store, policy(), at: later).tasks == 2)
            #expect(try await refusal(of: store.setPinned(true, pinned.id)) == .detailsRemoved)
        }
    }

    private func refusal(of change: DetailChange?) -> LifecycleRefusal? {
        if case .refused(let refusal, _) = change { refusal } else { nil }
    }

    @Test func `failed tasks, responses and events have their own retention times`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await succeed(1, in: store)
            let failed = TrackedTask.task(2, state: .failed)
            _ = try await store.insert(.new(failed, response: ["error": "x"]))
            let spans = policy {
                $0.ended = .seconds(90 * 86_400)
                $0.failed = .seconds(10)
                $0.responses = .seconds(100)
                $0.events = .seconds(200)
            }
            let first = try await sweep(store, spans, at: now + .seconds(50))
            #expect(first.tasks == 1 && first.responses == 0)
            #expect(try await store.task(failed.id)?.isStub == true)
            let dry = try await sweep(store, spans, isDryRun: true, at: now + .seconds(150))
            let second = try await sweep(store, spans, at: now + .seconds(150))
            #expect(second.responses == 1 && second.events == 0 && second.tasks == 0)
            #expect(dry == second)
            let without = try #require(try await store.taskWithPayload(task.id))
            #expect(without.payload.request == ["prompt": "private"] && without.payload.response == nil)
            #expect(without.payload.results == [] && without.task.removed?.parts == .response)
            #expect(try await store.events(of: task.id, after: 0, limit: 9).count == 4)
            let third = try await sweep(store, spans, at: now + .seconds(250))
            #expect(third.responses == 0 && third.events == 4 && third.tasks == 0)
            #expect(try await sweep(store, spans, at: later).tasks == 1)
            #expect(try await store.task(task.id)?.removed?.parts == .all)
        }
    }

    @Test func `a sweep removes tasks in small commits, each of whole tasks`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 1...120 { try await succeed(number, in: store) }
            let dry = try await sweep(store, policy(), isDryRun: true, at: later)
            #expect(dry.tasks == 120 && dry.events == 480)
            let half = try await store.advance(RetentionSweep(policy(), at: later), at: later)
            #expect(half.count.tasks == 0 || half.count.tasks == 50)
            var sweep = half
            while sweep.count.tasks == 0 { sweep = try await store.advance(sweep, at: later) }
            let tasks = try await store.tasks(matching: TaskFilter(), after: nil, limit: 200).tasks
            #expect(tasks.count { $0.task.isStub } == 50)
            for stored in tasks {
                let events = try await store.events(of: stored.task.id, after: 0, limit: 9).count
                #expect(stored.task.isStub ? events == 0 : events == 4)
                #expect((stored.payload.response == nil) == stored.task.isStub)
                #expect(stored.payload.results?.isEmpty == stored.task.isStub)
            }
            // A new sweep, as after a restart, removes the rest.
            #expect(try await self.sweep(store, policy(), at: later).tasks == 70)
        }
    }

    @Test func `a sweep removes old keys, but not of tasks with details`() async throws {
        try await with { (store: TaskStore) async throws in
            let old = try await succeed(1, in: store, key: "old")
            let pinned = try await succeed(2, in: store, key: "pinned")
            _ = try await store.insert(.new(.task(3), key: "open"))
            _ = try await store.setPinned(true, pinned.id)
            let spans = policy {
                $0.ended = .seconds(10)
                $0.idempotencyKeys = .seconds(100)
            }
            #expect(try await sweep(store, spans, at: now + .seconds(50)).keys == 0)
            #expect(try await store.insert(.new(.task(4), key: "old")) == .keyInUse(by: old.id, sameBody: true))
            #expect(try await sweep(store, spans, at: now + .seconds(150)).keys == 1)
            #expect(try await store.insert(.new(.task(4), key: "old")) == .created)
            #expect(try await store.insert(.new(.task(5), key: "pinned")) == .keyInUse(by: pinned.id, sameBody: true))
            #expect(
                try await store.insert(.new(.task(5), key: "open"))
                    == .keyInUse(by: TrackedTask.task(3).id, sameBody: true))
        }
    }

    @Test func `a reader of the log whose position was removed gets a pruned entry`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = try await succeed(1, in: store)
            _ = try await store.insert(.new(.task(2)))
            try await store.moveSchedule(by: .seconds(5), at: now)
            let last = try #require(try await store.log.read(after: 0, limit: 99).last?.sequence)
            #expect(last == 6)
            _ = try await store.removeDetails(of: task.id, at: now)
            #expect(
                try await store.log.read(after: 0, limit: 99).map(\.sequence) == [4, 5, 6])
            #expect(try await store.log.read(after: 3, limit: 99).first == .pruned(upTo: 4))
            #expect(try await store.log.read(after: 4, limit: 99).map(\.sequence) == [5, 6])
            // Daemon entries are removed by age.
            #expect(try await sweep(store, policy(), at: later).events == 1)
            // The line before it is still read.
            #expect(try await store.log.read(after: 0, limit: 99).map(\.sequence) == [4, 5])
            #expect(try await store.log.read(after: 5, limit: 99) == [.pruned(upTo: 6)])
            var lines = store.log.subscribe(after: 2).makeAsyncIterator()
            #expect(try await lines.next() == .pruned(upTo: 4))
            #expect(try await lines.next()?.sequence == 5)
            #expect(try await lines.next() == .pruned(upTo: 6))
        }
    }

    @Test func `the newest sequence is known after its entry was removed`() async throws {
        try await EachDatabase.with { (driver: any StoreDriver) async throws in
            let witness = MemoryWitness()
            let store = TaskStore(driver, witness: witness)
            #expect(try await store.checkWitness(newEpoch: "one", at: now).mode == nil)
            let task = try await succeed(1, in: store)
            try await store.secureWitness(at: now)
            _ = try await store.removeDetails(of: task.id, at: now)
            // Otherwise the witness would be ahead, and the database would count as an older copy.
            #expect(try await TaskStore(driver, witness: witness).checkWitness(newEpoch: "two", at: now).mode == nil)
        }
    }

    /// A witness in memory.
    private final class MemoryWitness: Witness {
        private let statement = Mutex<WitnessStatement?>(nil)

        func read() -> WitnessStatement? { statement.withLock { $0 } }
        func refresh(_ new: WitnessStatement) async {}
        func write(_ new: WitnessStatement) async throws(TaskStoreError) { statement.withLock { $0 = new } }
    }

    @Test func `a late result for a stub is not stored, and a late id is kept`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .failed)
            _ = try await store.insert(.new(task))
            try await sweep(store, policy(), at: later)
            let seen = Observation(.succeeded(partial: false), record: ["prompt": "private"])
            _ = try await store.apply(.observed(seen), to: task.id, at: later, nextDueAt: nil)
            #expect(try await store.events(of: task.id, after: 0, limit: 9).isEmpty)
            let id = try #require(RemoteTaskID("late"))
            let found = ScheduledEvent(.turnedUp(id, traceID: nil), for: task.id, attempt: 1, nextDueAt: nil)
            _ = try await store.apply([found], at: later)
            #expect(try await store.task(task.id)?.remoteID == id)
            #expect(try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind) == ["late_record"])
        }
    }

    @Test func `a task keeps the log and tokens of its latest hundred attempts`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let busy = TaskFailure(code: "busy", message: "Later.")
            func digest(_ number: Int) throws -> CallbackDigest {
                try #require(CallbackDigest([UInt8](repeating: UInt8(number), count: 32)))
            }
            for number in 1...130 {
                _ = try await store.apply(
                    .submissionStarted(callback: try digest(number)), to: task.id, under: .testing, at: now,
                    nextDueAt: now)
                _ = try await store.apply(.submissionNotAccepted(busy), to: task.id, at: now, nextDueAt: now)
            }
            let kinds = try await store.events(of: task.id, after: 0, limit: 999).map(\.entry.kind)
            #expect(kinds.count == 201 && kinds.first == "created")
            #expect(try await store.owner(of: try digest(30)) == nil)
            #expect(try await store.owner(of: try digest(31))?.attempt == 31)
            #expect(try await store.task(task.id)?.attempts == 130)
        }
    }

    @Test func `a given-up attempt keeps its token`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            func digest(_ number: Int) throws -> CallbackDigest {
                try #require(CallbackDigest([UInt8](repeating: UInt8(number), count: 32)))
            }
            let lost = TaskFailure(code: "reply_lost", message: "No reply.")
            _ = try await store.apply(
                .submissionStarted(callback: try digest(1)), to: task.id, under: .testing, at: now, nextDueAt: now)
            _ = try await store.apply(
                .submissionInterrupted(lost, isProbablyRefused: false), to: task.id, at: now, nextDueAt: now)
            _ = try await store.apply(.resubmitted(.resubmitted), to: task.id, at: now, nextDueAt: now)
            for number in 2...130 {
                _ = try await store.apply(
                    .submissionStarted(callback: try digest(number)), to: task.id, under: .testing, at: now,
                    nextDueAt: now)
                _ = try await store.apply(.submissionNotAccepted(lost), to: task.id, at: now, nextDueAt: now)
            }
            #expect(try await store.owner(of: try digest(1))?.attempt == 1)
        }
    }

    @Test func `an endpoint has statistics for at most two hundred models`() async throws {
        try await with { (store: TaskStore) async throws in
            let endpoint = TrackedTask.task(1).endpoint
            for number in 1...210 {
                let keys = [StatisticsKey(endpoint), StatisticsKey(endpoint, model: "model-\(number)")]
                _ = try await store.apply(
                    [], at: now, updating: keys.map { StatisticsUpdate(about: $0) { row, _ in row.finished += 1 } })
            }
            let rows = try await store.statistics(of: endpoint)
            #expect(rows.count { $0.key.model != nil } == StatisticsRow.mostModels)
            #expect(rows.first { $0.key.model == nil }?.finished == 210)
        }
    }
}
