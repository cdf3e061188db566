import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct LeaseTests {
    private let other = LeaseHolder(name: "process 7", token: LeaseToken(7))

    @Test func `without the lease nothing is sent or polled, and waiting_for shows the reason`() async throws {
        let world = try await EngineWorld()
        let rival = TaskStore(world.database, holder: other)
        #expect(try await rival.acquire([.testing], at: world.time.now()).held.isEmpty)
        let queued = try await world.submit()
        let running = try await world.insert(.task(9, state: .running))
        _ = try await world.engine.submitter.step()
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.isEmpty)
        #expect(await world.service.forecast(of: try await world.task(queued)).waitingFor?.code == "lease_held")
        #expect(try await world.task(queued).state == .queued)
        // The other process ends. Its lease is tried again after five seconds.
        try await world.sqlite.endOtherLeases(at: world.time.now())
        world.time.advance(by: .seconds(6))
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(queued).state == .running)
        world.provider.enqueue(.items([Record.succeeded("remote-9")]))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(running).state == .succeeded)
    }

    @Test func `a lost lease prevents the next submission, but the reply is recorded`() async throws {
        var limits = EngineLimits()
        limits.submissionsInParallel = 1
        let world = try await EngineWorld(limits: limits)
        let (first, second) = (try await world.submit(), try await world.submit())
        let rival = TaskStore(world.database, holder: other)
        let now = world.time.now()
        world.provider.play { _ async throws(UpstreamTransportError) in
            // Another process takes the lease while the reply is on its way.
            do {
                try await rival.endOtherLeases(at: world.time.now())
                _ = try await rival.acquire([.testing], at: now)
            } catch { throw .notSent("\(error)") }
            return .accepted("r-1")
        }
        _ = try await world.engine.submitter.step()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(try await world.task(first).state == .running)
        #expect(try await world.task(second).state == .queued)
    }
}
