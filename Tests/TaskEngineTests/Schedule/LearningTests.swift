import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests what the statistics learn from ended tasks.
@Suite(.timeLimit(.minutes(2))) struct LearningTests {
    /// Runs tasks of that duration one after another.
    private func learn(
        _ count: Int, _ endpoint: String = "image/make", seconds: Double, model: String? = nil, in world: EngineWorld
    ) async throws {
        let upstream = SimulatedUpstream(time: world.time, taking: { _ in seconds })
        var request = JSONObject([("prompt", "a cat")])
        request["model"] = model.map { .string($0) }
        for _ in 0..<count {
            try await world.submit(endpoint, request)
            try await EngineDriver(world, upstream).run(for: .seconds(3_600))
        }
    }

    @Test func `the statistics survive a restart, including the last task`() async throws {
        let world = try await EngineWorld()
        try await learn(12, seconds: 20, in: world)
        let before = try await world.engine.endpoints.endpoint("image/make")
        try world.database.close()
        let next = try await EngineWorld(time: world.time, from: world)
        let after = try await next.engine.endpoints.endpoint("image/make")
        #expect(after.learned == before.learned)
        #expect(after.tracking == before.tracking)
        #expect(after.tracking.finished == 12)
        let learned = try #require(after.learned)
        #expect(learned.samples == 12)
        #expect((.seconds(18)...Duration.seconds(22)).contains(learned.p50))
        #expect(try #require(after.tracking.callsPerTask) < 4)
        #expect(try #require(after.tracking.meanLateness) < .seconds(4))
    }

    @Test func `a task that waits long in the provider's queue is still polled`() async throws {
        let world = try await EngineWorld()
        let endpoint = try #require(EndpointName("image/make"))
        // A task usually waits there for five seconds, and records have the start time.
        _ = try await world.sqlite.apply(
            [], at: world.time.now(),
            updating: [
                StatisticsUpdate(about: StatisticsKey(endpoint)) { row, _ in
                    row.wait = .seconds(5)
                    row.startsTold = 1
                }
            ])
        let upstream = SimulatedUpstream(time: world.time, taking: { _ in 1e6 })
        for _ in 0..<3 { try await world.submit() }
        let driver = EngineDriver(world, upstream)
        try await driver.run(for: .seconds(60))
        let before = upstream.queries.count
        try await driver.run(for: .seconds(600))
        #expect(upstream.queries.count - before >= 9)
    }

    @Test func `later tasks need fewer polls than the first and are seen sooner`() async throws {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(time: world.time, taking: { _ in 200 })
        var costs: [(calls: Int, late: Duration)] = []
        for number in 1...15 {
            let before = upstream.queries.count
            try await world.submit()
            try await EngineDriver(world, upstream).run(for: .seconds(3_600))
            let end = try #require(upstream.end(of: "job-\(number)"))
            costs.append((upstream.queries.count - before, try #require(upstream.queries.last).at - end))
        }
        #expect(costs[14].calls < costs[0].calls, "\(costs)")
        #expect(costs[14].late <= .seconds(5), "\(costs)")
    }

    @Test func `an end during a downtime does not count as late`() async throws {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(time: world.time, taking: { _ in 40 })
        try await world.submit()
        try await EngineDriver(world, upstream).run(for: .seconds(10))
        try world.database.close()
        world.time.advance(by: .seconds(7_200))
        let next = try await EngineWorld(time: world.time, from: world)
        try await EngineDriver(next, upstream).run(for: .seconds(60))
        let report = try await next.engine.endpoints.endpoint("image/make")
        #expect(report.tracking.finished == 1)
        #expect(report.tracking.meanLateness == nil)
        #expect(try #require(report.learned).p50 < .seconds(60))
    }

    @Test func `each model has its own durations`() async throws {
        let world = try await EngineWorld()
        for _ in 0..<8 {
            try await learn(1, seconds: 20, model: "fast", in: world)
            try await learn(1, seconds: 300, model: "slow", in: world)
        }
        var request = JSONObject([("prompt", "a cat")])
        var expected: [String: Duration] = [:]
        world.provider.play { sent async throws(UpstreamTransportError) in
            .accepted("r-\(sent.body["model"]?.string ?? "")")
        }
        for model in ["fast", "slow"] {
            request["model"] = .string(model)
            let id = try await world.submit("image/make", request)
            world.time.advance(by: .seconds(1))
            _ = try await world.engine.submitter.step()
            let eta = await world.service.forecast(of: try await world.task(id)).eta
            expected[model] = try #require(eta).p50 - world.time.now()
        }
        #expect(try #require(expected["fast"]) < .seconds(40))
        #expect(try #require(expected["slow"]) > .seconds(200))
    }

    @Test func `many model names do not fill the statistics`() async throws {
        let world = try await EngineWorld()
        for number in 0..<40 { try await learn(1, seconds: 5, model: "model-\(number)", in: world) }
        let name = try #require(EndpointName("image/make"))
        let rows = try await world.sqlite.statistics(of: name)
        #expect(rows.count == 25)
        #expect(rows.first { $0.key.model == nil }?.finished == 40)
    }

    @Test func `a cancelled task lengthens the learned duration`() async throws {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(time: world.time, taking: { _ in 1_000 })
        for _ in 0..<5 {
            let id = try await world.submit()
            try await EngineDriver(world, upstream).run(for: .seconds(300))
            _ = try await world.service.cancel(id)
        }
        let report = try await world.engine.endpoints.endpoint("image/make")
        #expect(report.tracking.finished == 0)
        #expect(try #require(report.learned).p50 > .seconds(60))
    }

    @Test func `the expected end moves with the age, and slower_than_usual is logged once`() async throws {
        let world = try await EngineWorld()
        try await learn(25, seconds: 20, in: world)
        let slow = SimulatedUpstream(time: world.time, taking: { _ in 600 })
        let id = try await world.submit()
        try await EngineDriver(world, slow).run(for: .seconds(10))
        let young = await world.service.forecast(of: try await world.task(id)).eta
        #expect(try #require(young).p50 - world.time.now() < .seconds(20))
        #expect(try await !world.kinds(of: id).contains("slower_than_usual"))
        try await EngineDriver(world, slow).run(for: .seconds(200))
        let old = try #require(await world.service.forecast(of: try await world.task(id)).eta)
        #expect(old.p50 > world.time.now())
        #expect(old.p90 > old.p50)
        try world.database.close()
        let next = try await EngineWorld(time: world.time, from: world)
        try await EngineDriver(next, slow).run(for: .seconds(600))
        #expect(try await next.kinds(of: id).filter { $0 == "slower_than_usual" }.count == 1)
        #expect(try await next.task(id).state == .succeeded)
    }

    @Test func `with few calls the task likeliest to have ended is polled first`() async throws {
        var limits = EngineLimits()
        limits.pollsPerSecond = 1
        let world = try await EngineWorld(limits: limits)
        // One task has most likely ended, and one has just started.
        try await world.insert(.task(1, state: .running, endpoint: "single/make", at: world.time.now() - .seconds(600)))
        try await world.insert(.task(2, state: .running, endpoint: "image/make"))
        world.time.advance(by: .seconds(2))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(Record.pending(sent.body["id"]?.string ?? ""))
        }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.map { $0.body["id"] } == ["remote-1"])
    }
}
