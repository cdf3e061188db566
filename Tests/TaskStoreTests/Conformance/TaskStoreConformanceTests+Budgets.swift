import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests in any store what budgets hold, refuse, count and tell.
extension TaskStoreConformanceTests {
    private func budget(
        _ limit: Int64, _ period: Budget.Period = .day, name: String = "daily",
        change: (inout Budget) -> Void = { _ in }
    ) throws -> Budget {
        var budget = Budget(name: name, limit: limit, unit: try #require(MoneyUnit("USD")), period: period)
        change(&budget)
        return budget
    }

    private func charge(_ micros: Int64?, unit: String = "USD") throws -> Charge {
        let unit = try #require(MoneyUnit(unit))
        return Charge(
            provider: "testing", estimate: micros.map { Amount(micros: $0, unit: unit) },
            terms: SettlementTerms(unit: unit))
    }

    private func start(
        _ id: TaskID, _ micros: Int64?, unit: String = "USD", in store: TaskStore, at time: Timestamp? = nil
    ) async throws -> TaskChange {
        var event = ScheduledEvent(
            .submissionStarted(), for: id, under: LeaseName(ProviderAccount(provider: "testing")), nextDueAt: now)
        event.charge = try charge(micros, unit: unit)
        return try #require(try await store.apply([event], at: time ?? now).first)
    }

    private func insert(_ numbers: ClosedRange<Int>, labels: [String: String] = [:], in store: TaskStore) async throws
        -> [TaskID]
    {
        let tasks = numbers.map { TrackedTask.task($0, labels: labels) }
        _ = try await store.insert(tasks.map { .new($0) })
        return tasks.map(\.id)
    }

    private func used(_ name: String = "daily", in store: TaskStore, at time: Timestamp? = nil) async throws -> Int64 {
        let all = try await store.budgets(at: time ?? now)
        return all.first { $0.row.budget.name == name }?.meters.reduce(0) { $0 + $1.used } ?? 0
    }

    private func kinds(_ id: TaskID, in store: TaskStore) async throws -> [String] {
        try await store.events(of: id, after: 0, limit: 99).map(\.entry.kind)
    }

    @Test func `a task without room is held until there is room, and says so once`() async throws {
        try await with { (store: TaskStore) async throws in
            try await store.keepBudgets([try budget(100)], at: now)
            let ids = try await insert(1...3, in: store)
            #expect(try await start(ids[0], 60, in: store).transition == .advance(to: .submitting))
            let held = try await start(ids[1], 60, in: store)
            #expect(held.isHeld)
            let midnight = try #require(Timestamp(rfc3339: "\(now.rfc3339.prefix(10))T00:00:00Z")) + .seconds(86_400)
            #expect(held.task.nextDueAt == midnight)
            #expect(try await store.task(ids[1])?.attempts == 0)
            _ = try await start(ids[1], 60, in: store)
            #expect(try await kinds(ids[1], in: store) == ["created", "budget_held", "budget_exceeded"])
            let shortage = try #require(try await store.shortage(of: ids[1], at: now))
            #expect((shortage.budget, shortage.missing, shortage.until) == ("daily", 20, midnight))
            // A smaller task goes first.
            #expect(try await start(ids[2], 40, in: store).transition == .advance(to: .submitting))
            #expect(try await kinds(ids[2], in: store).contains("budget_warning"))
            #expect(try await used(in: store) == 100)
            #expect(try await store.freeHeldTasks(at: now) == midnight)
            #expect(try await store.task(ids[1])?.nextDueAt == midnight)
            // The release of another attempt makes room.
            let refused = TaskEvent.submissionRefused(TaskFailure(code: "no", message: "No."))
            _ = try await store.apply([ScheduledEvent(refused, for: ids[0], attempt: 1, nextDueAt: nil)], at: now)
            _ = try await store.freeHeldTasks(at: now)
            #expect(try await store.task(ids[1])?.nextDueAt == now)
            #expect(try await start(ids[1], 60, in: store).transition == .advance(to: .submitting))
            #expect(try await store.shortage(of: ids[1], at: now) == nil)
        }
    }

    @Test func `the next period, a new limit, a removed budget and a person let held tasks go on`() async throws {
        try await with { (store: TaskStore) async throws in
            let daily = try budget(50)
            try await store.keepBudgets([daily], at: now)
            let ids = try await insert(1...4, in: store)
            for id in ids { #expect(try await start(id, 60, in: store).isHeld) }
            // An approval serves the first attempt that may cost something.
            _ = try await store.approve(ids[0], at: now)
            #expect(try await start(ids[0], 60, in: store).transition == .advance(to: .submitting))
            let busy = TaskEvent.submissionNotAccepted(TaskFailure(code: "busy", message: "Busy."))
            _ = try await store.apply([ScheduledEvent(busy, for: ids[0], attempt: 1, nextDueAt: now)], at: now)
            #expect(try await start(ids[0], 60, in: store).transition == .advance(to: .submitting))
            let lost = TaskEvent.submissionInterrupted(
                TaskFailure(code: "lost", message: "x"), isProbablyRefused: false)
            let again = TaskEvent.resubmitted(.resubmitted)
            _ = try await store.apply([lost, again].map { ScheduledEvent($0, for: ids[0], nextDueAt: now) }, at: now)
            #expect(try await start(ids[0], 60, in: store).isHeld)
            let running = TaskChange.refused(.notQueued, try #require(try await store.task(ids[0])))
            #expect(running.transition == .refuse(.notQueued))
            // The limit that a person sets ends with the period.
            #expect(try await store.setLimit(of: "daily", to: 120, at: now)?.limit(at: now) == 120)
            #expect(try await store.setLimit(of: "other", to: 1, at: now) == nil)
            _ = try await store.freeHeldTasks(at: now)
            #expect(try await start(ids[1], 60, in: store).transition == .advance(to: .submitting))
            let tomorrow = now + .seconds(86_400)
            #expect(try await store.budgets(at: tomorrow).first?.row.limit(at: tomorrow) == 50)
            #expect(try await used(in: store, at: tomorrow) == 0)
            #expect(try await start(ids[2], 50, in: store, at: tomorrow).transition == .advance(to: .submitting))
            #expect(try await start(ids[3], 1, in: store, at: tomorrow).isHeld)
            try await store.keepBudgets([], at: tomorrow)
            #expect(try await store.task(ids[3])?.nextDueAt == tomorrow)
            #expect(try await start(ids[3], 60, in: store, at: tomorrow).transition == .advance(to: .submitting))
        }
    }

    @Test func `each value of a label has the limit for itself`() async throws {
        try await with { (store: TaskStore) async throws in
            try await store.keepBudgets([try budget(100) { $0.scope.label = "project" }], at: now)
            let web = try await insert(1...2, labels: ["project": "web"], in: store)
            let app = try await insert(3...3, labels: ["project": "app"], in: store)
            let none = try await insert(4...4, in: store)
            #expect(!(try await start(web[0], 80, in: store).isHeld))
            #expect(try await start(web[1], 80, in: store).isHeld)
            #expect(!(try await start(app[0], 80, in: store).isHeld))
            #expect(!(try await start(none[0], 800, in: store).isHeld))
            #expect(try await store.shortage(of: web[1], at: now)?.share == "web")
            #expect(try await store.budgets(at: now).first?.meters.map(\.share) == ["app", "web"])
        }
    }

    @Test func `a task without a price counts for nothing, or waits for a person`() async throws {
        try await with { (store: TaskStore) async throws in
            try await store.keepBudgets([try budget(100)], at: now)
            let ids = try await insert(1...4, in: store)
            #expect(!(try await start(ids[0], nil, in: store).isHeld))
            #expect(!(try await start(ids[1], 1_000, unit: "credits", in: store).isHeld))
            #expect(try await used(in: store) == 0)
            try await store.keepBudgets([try budget(100) { $0.unpriced = .hold }], at: now)
            #expect(try await start(ids[2], nil, in: store).isHeld)
            #expect(try await start(ids[3], 1, unit: "credits", in: store).isHeld)
            #expect(try await store.shortage(of: ids[2], at: now)?.missing == nil)
            #expect(try await kinds(ids[2], in: store) == ["created", "budget_held"])
            _ = try await store.freeHeldTasks(at: now)
            #expect(try await store.task(ids[2])?.nextDueAt != now)
            try await store.keepBudgets([try budget(100)], at: now)
            _ = try await store.freeHeldTasks(at: now)
            #expect(try await store.task(ids[2])?.nextDueAt == now)
        }
    }

    @Test func `a budget that refuses says so before anything is stored`() async throws {
        try await with { (store: TaskStore) async throws in
            try await store.keepBudgets([try budget(100) { $0.onExceed = .refuse }], at: now)
            func submit(_ number: Int, _ micros: Int64) async throws -> InsertResult {
                var task = NewTask.new(.task(number), key: "k\(number)")
                task.charge = try charge(micros)
                return try await store.insert(task)
            }
            #expect(try await submit(1, 90) == .created)
            #expect(!(try await start(TrackedTask.task(1).id, 90, in: store).isHeld))
            guard case .overBudget(let shortage) = try await submit(2, 20) else {
                Issue.record("a task without room was stored")
                return
            }
            #expect(shortage.missing == 10)
            #expect(try await store.task(TrackedTask.task(2).id) == nil)
            // A key still names its task.
            #expect(try await submit(1, 90) == .keyInUse(by: TrackedTask.task(1).id, sameBody: true))
            #expect(try await submit(3, 10) == .created)
        }
    }

    @Test
    func `a budget that comes later counts what was spent before, and keeps what it counts when its limit changes`()
        async throws
    {
        try await with { (store: TaskStore) async throws in
            let ids = try await insert(1...2, labels: ["project": "web"], in: store)
            #expect(!(try await start(ids[0], 70, in: store).isHeld))
            try await store.keepBudgets(
                [try budget(100, .total), try budget(90, name: "web") { $0.scope.label = "project" }], at: now)
            #expect(try await used(in: store) == 70)
            #expect(try await used("web", in: store) == 70)
            try await store.keepBudgets([try budget(80, .total)], at: now)
            #expect(try await used(in: store) == 70)
            #expect(try await start(ids[1], 20, in: store).isHeld)
            // A line about an earlier day belongs to that day.
            try await store.keepBudgets([try budget(80)], at: now + .seconds(86_400))
            let done = TaskEvent.submissionAnswered(Observation(.succeeded(partial: false), record: [:]), remoteID: nil)
            let tomorrow = now + .seconds(86_400)
            _ = try await store.apply([ScheduledEvent(done, for: ids[0], attempt: 1, nextDueAt: nil)], at: tomorrow)
            #expect(try await used(in: store, at: tomorrow) == 0)
            // If the clock is set back, the ledger tells.
            #expect(try await used(in: store) == 70)
            #expect(try await start(ids[1], 20, in: store).isHeld)
        }
    }

    @Test func `old lines of settled attempts are removed, but not those that a budget counts`() async throws {
        try await with { (store: TaskStore) async throws in
            var policy = RetentionPolicy()
            policy.ledger = .seconds(3_600)
            try await store.keepBudgets([try budget(500, .total, name: "all"), try budget(500)], at: now)
            let ids = try await insert(1...3, in: store)
            let done = TaskEvent.submissionAnswered(Observation(.succeeded(partial: false), record: [:]), remoteID: nil)
            for id in ids.prefix(2) {
                _ = try await start(id, 50, in: store)
                if id == ids[1] { continue }
                _ = try await store.apply([ScheduledEvent(done, for: id, attempt: 1, nextDueAt: nil)], at: now)
            }
            func sweep(at time: Timestamp) async throws -> Int {
                var sweep = RetentionSweep(policy, at: time)
                while !sweep.isOver { sweep = try await store.advance(sweep, at: time) }
                return sweep.count.ledger
            }
            let midnight = try #require(Timestamp(rfc3339: "\(now.rfc3339.prefix(10))T00:00:00Z")) + .seconds(86_400)
            #expect(try await sweep(at: midnight - .seconds(1)) == 0)
            #expect(try await sweep(at: midnight + .seconds(7_200)) == 2)
            #expect(try await store.ledger(of: ids[0]).isEmpty)
            // What is open stays, and a total keeps its sum.
            #expect(try await store.ledger(of: ids[1]).count == 1)
            #expect(try await used("all", in: store) == 100)
        }
    }
}
