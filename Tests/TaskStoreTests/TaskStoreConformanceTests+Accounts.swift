import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing

extension TaskStoreConformanceTests {
    private func task(
        _ number: Int, _ state: TaskState, by account: AccountName, remoteID: String? = nil
    ) -> TrackedTask {
        var task = TrackedTask.task(number, state: state, remoteID: remoteID)
        task.account = account
        return task
    }

    @Test func `due tasks, services and counts are separate for each account`() async throws {
        try await with { (store: TaskStore) async throws in
            let second = AccountService("image", of: "second")
            for number in 1...3 { _ = try await store.insert(.new(task(number, .running, by: .default))) }
            let other = task(4, .running, by: "second")
            _ = try await store.insert(.new(other))
            _ = try await store.insert(.new(task(5, .uncertain, by: "third")))
            #expect(try await store.services(in: .running) == ["image", second])
            #expect(try await store.services(in: .uncertain) == [AccountService("image", of: "third")])
            let due = try await store.due(in: .running, of: second, by: now + .seconds(9), limit: 9)
            #expect(due.map(\.id) == [other.id])
            #expect(try await store.nextDue(in: .running, of: second) == now)
            func counts() async throws -> [String: Int] {
                Dictionary(
                    uniqueKeysWithValues: try await store.counts().filter { $0.count > 0 }.map {
                        ("\($0.state) \($0.account)", $0.count)
                    })
            }
            #expect(try await counts() == ["running default": 3, "running second": 1, "uncertain third": 1])
            // A task that has ended counts for no account.
            _ = try await store.apply(.cancelRequested, to: other.id, at: now, nextDueAt: nil)
            #expect(try await counts() == ["running default": 3, "cancelled default": 1, "uncertain third": 1])
        }
    }

    @Test func `a remote id has one owner over all accounts`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(task(1, .running, by: "second", remoteID: "r-1")))
            let lost = task(2, .uncertain, by: .default)
            _ = try await store.insert(.new(lost))
            let id = try #require(RemoteTaskID("r-1"))
            await #expect(throws: TaskStoreError.self) {
                try await store.apply(.adopted(id), to: lost.id, at: now, nextDueAt: now)
            }
            _ = try await store.settle(
                service: "image", attemptedIn: now - .seconds(9)...now, candidates: [id], at: now
            ) { view in
                #expect(view.owned == [id] && view.uncertain.map(\.task.id) == [lost.id])
                return []
            }
        }
    }

    @Test func `a given-up attempt keeps its account, and a late record has its own`() async throws {
        try await with { (store: TaskStore) async throws in
            let lost = task(1, .uncertain, by: .unknown)
            _ = try await store.insert(.new(lost))
            let service = AccountService("image", of: .unknown)
            _ = try await store.apply(.resubmitted(.resubmitted), to: lost.id, at: now, nextDueAt: now)
            #expect(try await store.servicesWithGivenUpAttempts() == [service])
            #expect(try await store.nextGivenUpReading(of: service) == now + .seconds(300))
            let due = try await store.givenUpAttempts(of: service, dueBy: now + .seconds(300), limit: 9)
            #expect(due.map(\.account) == [.unknown])
            let id = try #require(RemoteTaskID("r-1"))
            let event = ScheduledEvent(
                .turnedUp(id, traceID: nil), for: lost.id, attempt: 1, shownTo: "second", nextDueAt: now)
            _ = try await store.apply([event], at: now)
            let task = try await store.task(lost.id)
            #expect(task?.state == .running && task?.account == "second")
        }
    }

    @Test func `the latest lease end of each account is stored`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let names = ["a", "b"].map {
                LeaseName(ProviderAccount(provider: "testing", account: AccountName($0) ?? .default))
            }
            #expect(try await second.leaseEnds().isEmpty)
            _ = try await first.acquire(names, at: now)
            try await second.endOtherLeases(at: now + .seconds(10))
            _ = try await second.acquire([names[1]], at: now)
            try await first.endOtherLeases(at: now + .seconds(20))
            let ends = [names[0]: now + .seconds(10), names[1]: now + .seconds(20)]
            #expect(try await first.leaseEnds() == ends)
            #expect(names.map { $0.account(of: "testing") } == ["a", "b"])
            #expect(names[0].account(of: "test") == nil)
        }
    }

    @Test func `a pause of an endpoint and the breakers of its accounts are separate`() async throws {
        try await with { (store: TaskStore) async throws in
            var pause = CircuitState(kind: .submissions, name: "image/make", account: nil)
            pause.pause = CircuitState.Pause(code: "paused", message: "by hand")
            pause.revision = 1
            var breaker = CircuitState(kind: .submissions, name: "image/make", account: "second")
            breaker.failures = 2
            breaker.revision = 1
            try await store.save(pause)
            try await store.save(breaker)
            #expect(Set(try await store.circuits()) == [pause, breaker])
        }
    }
}
