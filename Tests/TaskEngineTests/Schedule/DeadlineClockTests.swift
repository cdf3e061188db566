import PollingPolicy
import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests deadlines and measurements while the wall clock changes.
@Suite(.timeLimit(.minutes(5))) struct DeadlineClockTests {
    /// Creates a delayed queued task and a running one with a deadline in an hour, and observes them for two minutes.
    private func withDeadlines(limits: EngineLimits = EngineLimits()) async throws -> (EngineWorld, [TaskID]) {
        let world = try await EngineWorld(limits: limits)
        let deadline = world.time.now() + .seconds(3_600)
        let queued = try await world.insert(
            .task(1, notBefore: deadline + .seconds(60), deadline: deadline))
        let running = try await world.insert(.task(2, state: .running, deadline: deadline))
        try await watch(world, for: 120)
        return (world, [queued, running])
    }

    private func watch(_ world: EngineWorld, for seconds: Int) async throws {
        for _ in 0..<seconds {
            _ = try await world.engine.deadlines.step()
            world.time.advance(by: .seconds(1))
        }
        _ = try await world.engine.deadlines.step()
    }

    private func states(_ world: EngineWorld, _ ids: [TaskID]) async throws -> [TaskState] {
        var states: [TaskState] = []
        for id in ids { states.append(try await world.task(id).state) }
        return states
    }

    @Test func `a deadline that passes while the task is sent takes effect once the task is accepted`() async throws {
        let world = try await EngineWorld()
        world.time.advance(by: .seconds(61))
        _ = try await world.service.submit(
            Submission(
                endpoint: "image/make", request: JSONObject([("prompt", "a cat")]),
                deadline: .at(world.time.now() + .seconds(30))))
        let enforcer = world.engine.deadlines
        #expect(enforcer.worker.wake.isSignalled)
        enforcer.worker.wake.takeSignal()
        world.provider.play { [time = world.time] _ async throws(UpstreamTransportError) in
            time.advance(by: .seconds(31))
            // It is being sent, so nothing has a deadline, and the loop sleeps.
            _ = try? await enforcer.step()
            return .accepted("r-1")
        }
        _ = try await world.engine.submitter.step()
        #expect(enforcer.worker.wake.isSignalled)
        _ = try await enforcer.step()
        #expect(try await world.sqlite.tasks(in: .expired, limit: 2).count == 1)
    }

    @Test(arguments: [7, 59])
    func `a clock that is a day ahead for less than a minute expires no task`(seconds: Int) async throws {
        let (world, ids) = try await withDeadlines()
        world.time.setWallClock(by: .seconds(86_400))
        try await watch(world, for: seconds)
        world.time.setWallClock(by: .seconds(-86_400))
        try await watch(world, for: 300)
        #expect(try await states(world, ids) == [.queued, .running])
        // They expire at their deadline.
        world.time.advance(by: .seconds(3_600))
        try await watch(world, for: 0)
        #expect(try await states(world, ids) == [.expired, .expired])
    }

    @Test func `a changed clock counts after a minute`() async throws {
        let (world, ids) = try await withDeadlines()
        world.time.setWallClock(by: .seconds(86_400))
        try await watch(world, for: 59)
        #expect(try await states(world, ids) == [.queued, .running])
        try await watch(world, for: 1)
        #expect(try await states(world, ids) == [.expired, .expired])
    }

    @Test func `a clock observed for less than a minute expires no task, and overdue tasks are not sent`()
        async throws
    {
        let (world, ids) = try await withDeadlines()
        let due = try await world.insert(.task(3, deadline: world.time.now() + .seconds(600)))
        world.time.setWallClock(by: .seconds(86_400))
        // A daemon that starts with that clock.
        let next = try await EngineWorld(time: world.time, from: world)
        try await watch(next, for: 30)
        _ = try await next.engine.submitter.step()
        #expect(try await states(next, ids + [due]) == [.queued, .running, .queued])
        #expect(next.provider.paid.isEmpty)
        let reason = await next.service.forecast(of: try await next.task(due)).waitingFor
        #expect(reason?.code == "deadline")
        // With the corrected clock the task is not overdue and is sent.
        next.time.setWallClock(by: .seconds(-86_400))
        _ = try await next.engine.deadlines.step()
        next.provider.enqueue(.accepted("r-3"))
        _ = try await next.engine.submitter.step()
        #expect(try await states(next, ids + [due]) == [.queued, .running, .running])
    }

    @Test func `the deadline loop sleeps until the clock is steady`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(1, state: .running, deadline: world.time.now() + .seconds(1)))
        world.time.advance(by: .seconds(20))
        #expect(try await world.engine.deadlines.step() == world.time.now() + .seconds(40))
    }

    @Test func `small clock jumps add up to one that is detected`() async throws {
        let (world, ids) = try await withDeadlines()
        let deadline = try #require(try await world.task(ids[0]).deadline)
        world.time.set(to: deadline - .seconds(5))
        try await watch(world, for: 0)
        for _ in 0..<6 {
            world.time.setWallClock(by: .milliseconds(1_500))
            try await watch(world, for: 0)
        }
        #expect(world.time.now() > deadline)
        #expect(try await states(world, ids) == [.queued, .running])
    }

    @Test func `small clock jumps do not restart a measurement, and large ones do`() async throws {
        let world = try await EngineWorld()
        let clock = world.engine.deadlines.schedule.clock
        let moment = world.time.now()
        func jump(_ seconds: Int) async throws {
            world.time.setWallClock(by: .seconds(seconds))
            #expect(try await world.engine.deadlines.schedule.followClock())
        }
        world.time.advance(by: .seconds(100))
        try await jump(3)
        #expect(clock.verifiedElapsed(since: moment + .seconds(3)) == .seconds(100))
        #expect(clock.steadyFor(at: world.time.now()) == .zero)
        world.time.advance(by: .seconds(10))
        #expect(clock.verifiedElapsed(since: moment + .seconds(3)) == .seconds(110))
        #expect(clock.isSteady(for: .seconds(10), at: world.time.now()))
        #expect(!clock.isSteady(for: .seconds(11), at: world.time.now()))
        for _ in 0..<8 {
            try await jump(-7)
            try await jump(7)
        }
        #expect(clock.verifiedElapsed(since: moment + .seconds(3)) == .seconds(110))
        try await jump(58)
        #expect(clock.verifiedElapsed(since: moment) == .zero)
    }

    @Test func `a clock that jumped since the last check is not steady`() async throws {
        let world = try await EngineWorld()
        world.time.advance(by: .seconds(100))
        #expect(try await world.engine.deadlines.schedule.followClock())
        #expect(world.engine.deadlines.schedule.clock.steadyFor(at: world.time.now()) == .seconds(100))
        #expect(world.engine.deadlines.schedule.clock.steadyFor(at: world.time.now() + .seconds(3)) == .zero)
        world.time.setWallClock(by: .seconds(5))
        #expect(world.engine.deadlines.schedule.clock.steadyFor(at: world.time.now()) == .zero)
        world.time.setWallClock(by: .seconds(-10))
        #expect(world.engine.deadlines.schedule.clock.steadyFor(at: world.time.now()) == .zero)
    }

    @Test(arguments: [3, -3, 45])
    func `a clock jump within the tolerance does not prevent the proof`(seconds: Int) async throws {
        let world = try await EngineWorld()
        let lost = try await world.insert(.task(2, state: .uncertain, onUncertain: .resubmitIfAbsent))
        try await world.insert(
            .task(3, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog", "async": true])
        let control = Record.listed("control", request: ["prompt": "a dog"], at: ManualTimeSource.start)
        world.provider.play { sent async throws(UpstreamTransportError) in
            .items(Array([control].dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))))
        }
        func look(until seconds: Int) async throws {
            while world.time.elapsed() < .seconds(seconds) {
                _ = try await world.engine.reconciler.step()
                world.time.advance(by: .seconds(1))
            }
        }
        try await look(until: 70)
        #expect(try await world.task(lost).attempt.map { $0.absentReadings > 0 } == true)
        world.time.setWallClock(by: .seconds(seconds))
        try await look(until: 100)
        #expect(try await world.task(lost).state == .uncertain)
        try await look(until: 240)
        #expect(try await world.task(lost).state == .queued)
        #expect(try await world.task(lost).resolution == .resubmittedByPolicy)
    }

    @Test func `a clock set back does not lengthen a sleep`() async throws {
        let time = ManualTimeSource()
        async let sleeping: Void = time.sleep(until: time.now() + .seconds(60))
        await time.untilSleeping()
        time.setWallClock(by: .seconds(-3_600))
        time.advance(by: .seconds(60))
        await sleeping
        #expect(time.elapsed() == .seconds(60))
    }
}
