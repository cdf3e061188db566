import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests that the loops obey budgets, and what people are told.
@Suite(.timeLimit(.minutes(2))) struct BudgetTests {
    private static let definition = EngineWorld.definition.replacing(
        "      make: {typical_seconds: 40, upper_seconds: 90}",
        with: "      make: {price: {unit: USD, per: /n, each: 1, default: 1}, typical_seconds: 40, upper_seconds: 90}")

    private func budget(_ limit: Int64, change: (inout Budget) -> Void = { _ in }) throws -> Budget {
        var budget = Budget(
            name: "daily", limit: limit * 1_000_000, unit: try #require(MoneyUnit("USD")), period: .day)
        change(&budget)
        return budget
    }

    private func world(_ budget: Budget, from earlier: EngineWorld? = nil) async throws -> EngineWorld {
        try await EngineWorld(from: earlier, definition: Self.definition, budgets: [budget])
    }

    private func states(_ ids: [TaskID], in world: EngineWorld) async throws -> [TaskState] {
        var states: [TaskState] = []
        for id in ids { states.append(try await world.task(id).state) }
        return states
    }

    @Test func `tasks that fit are sent, and the rest is held with what is missing`() async throws {
        let world = try await world(try budget(3))
        var ids = [try await world.submit("image/make", JSONObject([("prompt", "many"), ("n", 5)]))]
        for number in 1...5 {
            world.provider.enqueue(.accepted("r\(number)"))
            ids.append(try await world.submit())
        }
        // What was held behind its signal is claimed at once.
        for _ in 1...4 { _ = try await world.engine.submitter.step() }
        #expect(try await states(ids, in: world) == [.queued, .running, .running, .running, .queued, .queued])
        #expect(world.provider.paid.count == 3)
        let reason = try #require(await world.service.forecast(of: try await world.task(ids[0])).waitingFor)
        #expect(reason.code == "budget")
        #expect(reason.budget?.budget == "daily")
        #expect(reason.budget?.missing == 5_000_000)
        #expect(reason.message.contains("5 USD too much"))
        // Tasks without a price in the unit go on.
        world.provider.enqueue(.accepted("other"))
        let unpriced = try await world.submit("image/edit")
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(unpriced).state == .running)
    }

    @Test func `held tasks go on at the start of the next period, after a reload and after a restart`() async throws {
        let world = try await world(try budget(0))
        let ids = [try await world.submit(), try await world.submit()]
        _ = try await world.engine.submitter.step()
        #expect(try await states(ids, in: world) == [.queued, .queued])
        world.reload { $0.budgets = [(try? budget(1)) ?? $0.budgets[0]] }
        try await world.sqlite.keepBudgets(world.settings.current.budgets, at: world.time.now())
        world.provider.enqueue(.accepted("r1"))
        for _ in 1...2 { _ = try await world.engine.submitter.step() }
        #expect(try await states(ids, in: world) == [.running, .queued])
        let restarted = try await self.world(try budget(1), from: world)
        let comeBack = try await restarted.engine.submitter.step()
        #expect(restarted.provider.paid.isEmpty)
        let end = try #require(try await restarted.sqlite.shortage(of: ids[1], at: restarted.time.now())?.until)
        #expect(comeBack <= restarted.time.now() + .seconds(60))
        restarted.time.set(to: end)
        restarted.provider.enqueue(.accepted("r2"))
        _ = try await restarted.engine.submitter.step()
        #expect(try await restarted.task(ids[1]).state == .running)
    }

    @Test func `a person lets one task pass`() async throws {
        let world = try await world(try budget(0))
        let ids = [try await world.submit(), try await world.submit()]
        _ = try await world.engine.submitter.step()
        world.provider.enqueue(.accepted("r1"))
        #expect(try await world.service.approve(ids[1]).task.state == .queued)
        #expect(try await world.service.approve(ids[1]).task.state == .queued)
        _ = try await world.engine.submitter.step()
        #expect(try await states(ids, in: world) == [.queued, .running])
        #expect(try await world.kinds(of: ids[1]).count { $0 == "budget_approved" } == 1)
        await #expect(throws: TaskServiceError.self) { try await world.service.approve(ids[1]) }
    }

    @Test func `a failed task whose failures are free makes room`() async throws {
        let free = Self.definition.replacing("default: 1}", with: "default: 1, failures: free}")
        let world = try await EngineWorld(definition: free, budgets: [try budget(1)])
        world.provider.enqueue(.accepted("r1"))
        let ids = [try await world.submit(), try await world.submit()]
        for _ in 1...2 { _ = try await world.engine.submitter.step() }
        #expect(try await states(ids, in: world) == [.running, .queued])
        let failed = Observation(.failed(TaskFailure(code: "forbidden", message: "Moderation.")), record: [:])
        _ = try await world.sqlite.apply(.observed(failed), to: ids[0], at: world.time.now(), nextDueAt: nil)
        world.provider.enqueue(.accepted("r2"))
        _ = try await world.engine.submitter.step()
        #expect(try await states(ids, in: world) == [.failed, .running])
    }

    @Test func `a submission that a budget refuses is an error that says how much is missing`() async throws {
        let world = try await world(try budget(2) { $0.onExceed = .refuse })
        let error = await #expect(throws: TaskServiceError.self) {
            try await world.submit("image/make", JSONObject([("prompt", "many"), ("n", 3)]))
        }
        #expect(error?.code == "over_budget")
        #expect(error?.message.contains("1 USD too much. Nothing was stored.") ?? false)
        _ = try await world.submit()
    }

    @Test func `what was spent is grouped, and what is unknown is counted`() async throws {
        let world = try await world(try budget(100))
        world.provider.enqueue(.accepted("r1"))
        world.provider.enqueue(.accepted("r2"))
        _ = try await world.submit("image/make", JSONObject([("prompt", "x"), ("n", 2)]))
        _ = try await world.submit("image/edit")
        _ = try await world.engine.submitter.step()
        let money = world.engine.money
        let spending = try await money.spending(by: .endpoint, from: Timestamp(milliseconds: 0), until: nil)
        #expect(spending.rows.map(\.key) == ["image/make", "image/edit"])
        #expect(spending.rows.map(\.unpriced) == [0, 1])
        #expect(spending.rows[0].reserved.map(\.description) == ["2 USD"])
        #expect(spending.total.attempts == 2)
        let labels = try await money.spending(by: .label("project"), from: Timestamp(milliseconds: 0), until: nil)
        #expect(labels.rows.map(\.key) == [nil])
        let report = try #require(try await money.budgets().first)
        #expect(report.shares.map(\.reserved) == [2_000_000])
        #expect(MoneyService.Grouping("label.") == nil && MoneyService.Grouping("x") == nil)
    }
}
