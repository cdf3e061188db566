import ProviderCatalog
@testable import TaskEngine
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests clients that wait for the end of a task.
@Suite(.timeLimit(.minutes(2))) struct LongWaitTests {
    @Test func `a wait ends with the task`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        async let waiting = world.service.task(id, waitingFor: .seconds(300))
        await world.time.untilSleeping()
        world.provider.enqueue(.json(Record.succeeded("remote-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await waiting.task.state == .succeeded)
    }

    @Test func `a wait ends after its time with the current task`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        async let waiting = world.service.task(id, waitingFor: .seconds(300))
        await world.time.untilSleeping()
        #expect(world.time.sleepingUntil == [world.time.now() + .seconds(300)])
        world.time.advance(by: .seconds(300))
        #expect(try await waiting.task.state == .running)
    }

    @Test func `a wait ends when the daemon stops`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        async let waiting = world.service.task(id, waitingFor: .seconds(300))
        await world.time.untilSleeping()
        world.service.beginShutdown()
        #expect(try await waiting.task.state == .running)
        // A new wait ends at once.
        #expect(try await world.service.task(id, waitingFor: .seconds(300)).task.state == .running)
    }

    @Test func `a wait ends when it is cancelled`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        let waiting = Task { try await world.service.task(id, waitingFor: .seconds(300)) }
        await world.time.untilSleeping()
        waiting.cancel()
        #expect(try await waiting.value.task.state == .running)
    }

    @Test(arguments: [(Duration.seconds(300), Duration.seconds(5)), (.seconds(2), .seconds(2))])
    func `a wait beyond the limit returns the current task after at most five seconds`(
        patience: Duration, pause: Duration
    ) async throws {
        var limits = EngineLimits()
        limits.waiters = 1
        let world = try await EngineWorld(limits: limits)
        let id = try await world.insert(.task(1, state: .running))
        async let placed = world.service.task(id, waitingFor: .seconds(300))
        await world.time.untilSleeping(1)
        async let beyond = world.service.task(id, waitingFor: patience)
        await world.time.untilSleeping(2)
        #expect(world.service.feed.waiting == 1)
        #expect(world.time.sleepingUntil == [world.time.now() + pause, world.time.now() + .seconds(300)])
        world.time.advance(by: pause)
        #expect(try await beyond.task.state == .running)
        #expect(world.service.feed.waiting == 1)
        world.service.beginShutdown()
        _ = try await placed
        #expect(world.service.feed.waiting == 0)
    }

    @Test func `a wait beyond the limit ends when it is cancelled and when the daemon stops`() async throws {
        var limits = EngineLimits()
        limits.waiters = 0
        let world = try await EngineWorld(limits: limits)
        let id = try await world.insert(.task(1, state: .running))
        let left = Task { try await world.service.task(id, waitingFor: .seconds(300)) }
        await world.time.untilSleeping()
        left.cancel()
        #expect(try await left.value.task.state == .running)
        async let stopped = world.service.task(id, waitingFor: .seconds(300))
        await world.time.untilSleeping()
        world.service.beginShutdown()
        #expect(try await stopped.task.state == .running)
    }

    @Test func `a wait for an ended task or for no time returns at once`() async throws {
        let world = try await EngineWorld()
        let ended = try await world.insert(.task(1, state: .succeeded))
        let open = try await world.insert(.task(2, state: .running))
        #expect(try await world.service.task(ended, waitingFor: .seconds(300)).task.state == .succeeded)
        #expect(try await world.service.task(open, waitingFor: .zero).task.state == .running)
    }
}
