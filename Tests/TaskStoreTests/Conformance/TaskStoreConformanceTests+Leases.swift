import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests leases.
extension TaskStoreConformanceTests {
    @Test func `a claim acquires its lease, and another process cannot claim under it`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let tasks = [TrackedTask.task(1), TrackedTask.task(2)]
            for task in tasks { _ = try await first.insert(.new(task)) }
            let started = try await first.apply(
                .submissionStarted(), to: tasks[0].id, under: .testing, at: now, nextDueAt: now)
            #expect(started?.task.attempt?.lease == holder(1).token)
            #expect(try await second.task(tasks[0].id)?.attempt?.lease == holder(1).token)
            await #expect(throws: TaskStoreError.leaseHeld(by: "holder 1")) {
                _ = try await second.apply(
                    .submissionStarted(), to: tasks[1].id, under: .testing, at: now, nextDueAt: now)
            }
            #expect(try await second.task(tasks[1].id) == tasks[1])
            // Another account's lease is free.
            let other = LeaseName(ProviderAccount(provider: "testing", account: "second"))
            let change = try await second.apply(
                .submissionStarted(), to: tasks[1].id, under: other, at: now, nextDueAt: now)
            #expect(change?.transition == .advance(to: .submitting))
            let third = TrackedTask.task(3)
            _ = try await first.insert(.new(third))
            await #expect(throws: TaskStoreError.failed("a submission was started without a lease")) {
                _ = try await first.apply(.submissionStarted(), to: third.id, at: now, nextDueAt: now)
            }
        }
    }

    @Test func `a process without the lease cannot start attempts but can record replies`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let tasks = [TrackedTask.task(1), TrackedTask.task(2)]
            for task in tasks { _ = try await first.insert(.new(task)) }
            _ = try await first.apply(
                .submissionStarted(), to: tasks[0].id, under: .testing, at: now, nextDueAt: now)
            try await second.endOtherLeases(at: now)
            #expect(try await second.acquire([.testing], at: now).held.isEmpty)
            #expect(try await first.acquire([.testing], at: now).held.map(\.holder) == ["holder 2"])
            await #expect(throws: TaskStoreError.leaseHeld(by: "holder 2")) {
                _ = try await first.apply(
                    .submissionStarted(), to: tasks[1].id, under: .testing, at: now, nextDueAt: now)
            }
            let accepted = try await first.apply(
                .submissionAccepted(try remote("r"), traceID: nil), to: tasks[0].id, at: now, nextDueAt: now)
            #expect(accepted?.task.state == .running)
        }
    }

    @Test func `only attempts without a current lease are declared lost`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let task = TrackedTask.task(1)
            let old = TrackedTask.task(2, state: .submitting)
            for task in [task, old] { _ = try await first.insert(.new(task)) }
            _ = try await first.apply(.submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
            func endLost() async throws -> [TaskID] {
                try await second.endLostSubmissions(at: now) { [now] task in
                    ScheduledEvent(
                        .submissionInterrupted(.init(code: "daemon_stopped", message: ""), isProbablyRefused: false),
                        for: task.id, nextDueAt: now)
                }.map(\.task.id)
            }
            // An attempt of a version without leases has no lease.
            #expect(try await endLost() == [old.id])
            try await second.endOtherLeases(at: now)
            #expect(try await endLost() == [task.id])
            #expect(try await first.task(task.id)?.state == .uncertain)
        }
    }

    func holder(_ number: UInt128) -> LeaseHolder {
        LeaseHolder(name: "holder \(number)", token: LeaseToken(number << 64 | 7))
    }
}
