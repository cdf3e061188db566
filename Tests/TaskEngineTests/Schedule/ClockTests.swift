import PollingPolicy
import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests clock changes while tasks run, and a machine that sleeps.
@Suite(.timeLimit(.minutes(5))) struct ClockTests {
    /// Runs forty tasks with one clock change.
    private func calls(settingClockBy jump: Duration) async throws -> (SimulatedUpstream, EngineWorld) {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(time: world.time, taking: Durations.logNormal(60, 0.25))
        for _ in 0..<40 { try await world.submit("image/make") }
        let driver = EngineDriver(world, upstream)
        try await driver.run(for: .seconds(45))
        world.time.setWallClock(by: jump)
        try await driver.run(for: .seconds(600))
        return (upstream, world)
    }

    @Test(arguments: [-3_600, 3_600, -86_400 * 30, 10])
    func `a clock change neither delays tasks nor adds polls`(seconds: Int) async throws {
        let (still, _) = try await calls(settingClockBy: .zero)
        let (upstream, world) = try await calls(settingClockBy: .seconds(seconds))
        #expect(try await world.sqlite.counts().map(\.state) == [.succeeded])
        #expect(upstream.queries.count <= still.queries.count * 5 / 4 + 2)
        // Each end is seen within the usual gap.
        for number in 1...40 {
            let id = "job-\(number)"
            let end = try #require(upstream.end(of: id))
            let seen = upstream.queries.first { $0.ids.contains(id) && $0.at >= end }
            #expect(try #require(seen).at - end <= PollingPolicy().maxGap)
        }
    }

    @Test func `after an hour of sleep few polls are needed`() async throws {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(time: world.time, taking: Durations.logNormal(60, 0.25))
        for _ in 0..<40 { try await world.submit("image/make") }
        let driver = EngineDriver(world, upstream)
        try await driver.run(for: .seconds(30))
        let before = upstream.calls.count
        world.time.advance(by: .seconds(3_600))
        try await driver.run(for: .seconds(60))
        #expect(try await world.sqlite.counts().map(\.state) == [.succeeded])
        #expect(upstream.calls.count - before <= 2)
        // The hour does not count as lateness.
        let report = try await world.engine.endpoints.endpoint("image/make")
        #expect(report.tracking.finished == 40)
        #expect(report.tracking.meanLateness == nil)
    }

    @Test func `a clock set back before a start does not delay polls`() async throws {
        let world = try await EngineWorld()
        let later = world.time.now() + .seconds(3_600)
        for number in 1...3 {
            var task = TrackedTask.task(number, state: .running, at: later - .seconds(30))
            task.ageFrom = later - .seconds(30)
            task.lastPendingAt = later
            task.nextDueAt = later + .seconds(20)
            try await world.insert(task)
        }
        world.provider.play { sent async throws(UpstreamTransportError) in .items(sent.ids.map(Record.succeeded)) }
        try await world.engine.recovery.run()
        let start = world.time.elapsed()
        while try await world.sqlite.counts().contains(where: { $0.state == .running }),
            world.time.elapsed() - start < .seconds(300)
        {
            world.time.set(to: max(try await world.engine.scheduler.step(), world.time.now() + .milliseconds(1)))
        }
        #expect(world.time.elapsed() - start <= PollingPolicy().maxGap)
        #expect(world.provider.sent.count == 1)
    }

    @Test
    func `a clock set back before a start delays no queued task except by its not_before`()
        async throws
    {
        let world = try await EngineWorld()
        let now = world.time.now()
        let later = now + .seconds(3_600)
        let queued = try await world.insert(.task(1, state: .queued, at: later))
        var wanted = TrackedTask.task(2, state: .queued, at: later)
        wanted.notBefore = now + .seconds(7_200)
        wanted.nextDueAt = wanted.notBefore
        try await world.insert(wanted)
        try await world.engine.recovery.run()
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(queued).state == .running)
        #expect(try await world.task(wanted.id).nextDueAt == wanted.notBefore)
    }

    @Test func `a clock set back while the daemon runs delays no queued task`() async throws {
        let world = try await EngineWorld()
        world.time.setWallClock(by: .seconds(3_600))
        _ = try await world.engine.scheduler.step()
        let id = try await world.submit()
        world.time.setWallClock(by: .seconds(-3_600))
        _ = try await world.engine.scheduler.step()
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `a circuit opened while the clock was ahead closes in time after a restart`() async throws {
        let world = try await EngineWorld()
        world.time.setWallClock(by: .seconds(3_600))
        _ = try await world.engine.scheduler.step()
        try await world.insert(.task(1, state: .running, at: world.time.now()))
        // The task was inserted without the engine, whose cache lasts a second.
        world.time.advance(by: .seconds(1))
        world.provider.play { _ async throws(UpstreamTransportError) in
            .error("rate_limited", status: 429, retryAfter: .seconds(90))
        }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)

        world.time.setWallClock(by: .seconds(-3_600))
        let next = try await EngineWorld(time: world.time, from: world)
        next.provider.play { _ async throws(UpstreamTransportError) in .json(Record.pending("remote-1")) }
        try await next.engine.recovery.run()
        #expect(try await next.engine.scheduler.step() - world.time.now() <= .seconds(90))
        #expect(next.provider.sent.isEmpty)
        world.time.advance(by: .seconds(91))
        _ = try await next.engine.scheduler.step()
        #expect(next.provider.sent.count == 1)
    }

    @Test func `a clock set forward neither loses a task nor proves absence`() async throws {
        let world = try await EngineWorld()
        let running = try await world.insert(.task(1, state: .running))
        let lost = try await world.insert(
            .task(2, state: .uncertain, endpoint: "capped/a", onUncertain: .resubmitIfAbsent))
        try await world.insert(.task(3, state: .succeeded, endpoint: "capped/a", remoteID: "control"))
        let control = Record.listed("control", request: ["prompt": "a cat"], at: ManualTimeSource.start)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.body["action"]?.string == "retrieve" { return .json([:]) }
            return .items(Array([control].dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))))
        }
        func look(_ seconds: Int) async throws {
            for _ in 0..<seconds {
                _ = try await world.engine.scheduler.step()
                _ = try await world.engine.reconciler.step()
                world.time.advance(by: .seconds(1))
            }
        }
        try await look(60)
        for _ in 0..<6 {
            world.time.setWallClock(by: .seconds(86_400))
            try await look(60)
        }
        #expect(try await world.task(running).state == .running)
        #expect(try await world.task(running).notFoundCount > 3)
        #expect(try await world.task(lost).state == .uncertain)
        #expect(try await world.task(lost).attempt?.clockDrift == .seconds(6 * 86_400))
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a clock set back does not keep a circuit open longer`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(1, state: .running))
        world.provider.play { _ async throws(UpstreamTransportError) in
            .error("rate_limited", status: 429, retryAfter: .seconds(90))
        }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        world.time.setWallClock(by: .seconds(-3_600))
        let comeBack = try await world.engine.scheduler.step()
        #expect(comeBack - world.time.now() <= .seconds(90))
        world.time.advance(by: .seconds(91))
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 2)
    }

    @Test func `a schedule that cannot be moved on a full disk is moved later`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        let due = try #require(await world.task(id).nextDueAt)
        world.store.fail(next: 1, with: .full)
        world.time.setWallClock(by: .seconds(-3_600))
        await #expect(throws: TaskStoreError.full) { try await world.engine.scheduler.step() }
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.pending("remote-1")) }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        #expect(try await world.task(id).ageFrom == nil)
        #expect(try await world.task(id).nextDueAt.map { $0 < due } == true)
    }
}
