import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests due times that no clock change explains.
@Suite(.timeLimit(.minutes(2))) struct DueTimeTests: ReconcilerFixture {
    @Test func `a task that its policy sends again is due at once`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        // Look-ups are minutes apart by the time at which the list shows a control.
        let shownFrom = world.time.now() + .seconds(1_800)
        list(world) { [world] in world.time.now() < shownFrom ? [] : [control] }
        while try await world.task(id).state == .uncertain {
            _ = try await world.engine.reconciler.step()
            // The clock counts as observed if it is checked once a minute.
            world.time.advance(by: .seconds(60))
        }
        let task = try await world.task(id)
        #expect(task.state == .queued)
        #expect(task.resolution == .resubmittedByPolicy)
        #expect(task.nextDueAt.map { $0 <= world.time.now() } == true)
    }

    @Test func `a record that is too large is polled hourly although due times are repaired`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running, endpoint: "single/make"))
        world.provider.play { _ async throws(UpstreamTransportError) in throw .tooLarge(maxBytes: 1_000) }
        func run(for seconds: Int) async throws {
            for _ in 0..<seconds / 30 {
                _ = try await world.engine.deadlines.step()
                _ = try await world.engine.scheduler.step()
                world.time.advance(by: .seconds(30))
            }
        }
        try await run(for: 7_100)
        #expect(world.provider.sent.count == 2)
        // A due time from a clock that was ahead is repaired all the same.
        world.time.advance(by: .seconds(1))
        let wrong = world.time.now() + .seconds(86_400)
        try await world.sqlite.postpone([id], until: wrong)
        try await run(for: 120)
        #expect(world.provider.sent.count == 3)
    }

    @Test func `a task that waits for a circuit is due when a person closes the circuit`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.provider.play { _ async throws(UpstreamTransportError) in
            .error("rate_limited", status: 429, retryAfter: .seconds(3_600))
        }
        for _ in 0..<5 {
            world.time.advance(by: .seconds(3_601))
            _ = try await world.engine.submitter.step()
        }
        #expect(try await world.task(id).nextDueAt.map { $0 > world.time.now() + .seconds(3_000) } == true)
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        try await world.engine.endpoints.resume("image/make")
        world.time.advance(by: .seconds(1))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }
}
