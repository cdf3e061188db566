import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Leases in a store that several processes use.
@Suite struct SharedLeaseTests {
    /// One database with a clock, and the stores of three processes.
    private struct Shared {
        let clock: ManualTimeSource
        let first: TaskStore
        let second: TaskStore
        let third: TaskStore
        /// The clock of a process, which is wrong.
        var wrong: Timestamp { clock.now() + .seconds(86_400) }

        func holds(_ store: TaskStore, _ name: LeaseName = .testing) async throws -> Bool {
            try await store.acquire([name], at: wrong).held.isEmpty
        }
    }

    private func with(_ body: (Shared) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let clock = ManualTimeSource()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let driver = ClockedDriver(sqlite) { clock.now() }
        let stores = (1...3).map { number in
            TaskStore(driver, holder: LeaseHolder(name: "process \(number)", token: LeaseToken(UInt128(number))))
        }
        try await body(Shared(clock: clock, first: stores[0], second: stores[1], third: stores[2]))
        try sqlite.close()
    }

    @Test func `a lease expires by the clock of the database, unless it is renewed`() async throws {
        try await with { shared in
            #expect(try await shared.holds(shared.first))
            let held = try await shared.second.acquire([.testing, .retention], at: shared.wrong).held
            #expect(held.map(\.name) == [.testing])
            #expect(held.map(\.holder) == ["process 1"])
            #expect(held.map(\.endsIn) == [Lease.term])
            shared.clock.advance(by: .seconds(10))
            #expect(try await shared.holds(shared.first))
            shared.clock.advance(by: Lease.term - .milliseconds(1))
            #expect(try await !shared.holds(shared.second))
            shared.clock.advance(by: .milliseconds(1))
            #expect(try await shared.holds(shared.second))
            #expect(try await !shared.holds(shared.first))
            #expect(try await shared.first.leaseEnds()[.testing] == shared.clock.now())
        }
    }

    @Test func `a claim needs a lease of its process that has not expired`() async throws {
        try await with { shared in
            let tasks = (1...3).map { TrackedTask.task($0) }
            for task in tasks { _ = try await shared.first.insert(.new(task)) }
            func start(_ task: TrackedTask, by store: TaskStore) async throws {
                _ = try await store.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: shared.wrong, nextDueAt: nil)
            }
            // It does not acquire one itself.
            await #expect(throws: TaskStoreError.leaseHeld(by: "no process at this moment")) {
                try await start(tasks[0], by: shared.first)
            }
            #expect(try await shared.holds(shared.first))
            try await start(tasks[0], by: shared.first)
            await #expect(throws: TaskStoreError.leaseHeld(by: "process 1")) {
                try await start(tasks[1], by: shared.second)
            }
            shared.clock.advance(by: Lease.term)
            await #expect(throws: TaskStoreError.leaseHeld(by: "process 1")) {
                try await start(tasks[1], by: shared.first)
            }
            #expect(try await shared.holds(shared.second))
            try await start(tasks[1], by: shared.second)
            // The first one must not go on, though it never heard of the second.
            await #expect(throws: TaskStoreError.leaseHeld(by: "process 2")) {
                try await start(tasks[2], by: shared.first)
            }
            // What came back for a request that was sent is recorded.
            let accepted = try await shared.first.apply(
                .submissionAccepted(try #require(RemoteTaskID("r")), traceID: nil), to: tasks[0].id, at: shared.wrong,
                nextDueAt: nil)
            #expect(accepted?.task.state == .running)
        }
    }

    @Test func `only the submissions of a process whose leases have all expired are lost`() async throws {
        try await with { shared in
            let task = TrackedTask.task(1)
            _ = try await shared.first.insert(.new(task))
            #expect(try await shared.holds(shared.first))
            _ = try await shared.first.apply(
                .submissionStarted(), to: task.id, under: .testing, at: shared.wrong, nextDueAt: nil)
            func endLost(by store: TaskStore) async throws -> [TaskID] {
                let isLost = try await store.hasLostSubmissions(at: shared.wrong)
                let lost = try await store.endLostSubmissions(at: shared.wrong) { task in
                    ScheduledEvent(
                        .submissionInterrupted(
                            TaskFailure(code: TaskFailure.replyLost, message: ""), isProbablyRefused: false),
                        for: task.id, nextDueAt: nil)
                }.map(\.task.id)
                #expect(isLost == !lost.isEmpty)
                return lost
            }
            #expect(try await endLost(by: shared.second).isEmpty)
            // It renews another lease, so it lives and records its reply.
            shared.clock.advance(by: .seconds(10))
            #expect(try await shared.holds(shared.first, .retention))
            shared.clock.advance(by: .seconds(6))
            #expect(try await shared.holds(shared.second))
            #expect(try await endLost(by: shared.second).isEmpty)
            shared.clock.advance(by: .seconds(9))
            // A process knows what became of its own.
            #expect(try await endLost(by: shared.first).isEmpty)
            #expect(try await endLost(by: shared.third) == [task.id])
            #expect(try await shared.first.task(task.id)?.state == .uncertain)
        }
    }

    @Test func `released leases are free at once`() async throws {
        try await with { shared in
            #expect(try await shared.holds(shared.first))
            #expect(try await shared.holds(shared.second, .retention))
            try await shared.first.releaseLeases(at: shared.clock.now())
            #expect(try await shared.holds(shared.second))
            #expect(try await !shared.holds(shared.first, .retention))
        }
    }
}
