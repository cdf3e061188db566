import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests callbacks of attempts whose reply was lost.
@Suite(.timeLimit(.minutes(2))) struct LostReplyCallbackTests: CallbackFixture {
    /// Runs the reconciler and the submitter once a minute for twelve minutes.
    private func reconcile(_ world: EngineWorld) async throws {
        for _ in 0..<12 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
            _ = try await world.engine.submitter.step()
        }
    }

    @Test func `a callback resolves an uncertain task`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        #expect(try await deliver(Self.success(), token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.resolution == .calledBack)
        #expect(task.remoteID?.text == "r-1")
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback before a lost reply resolves the task`() async throws {
        let world = try await world()
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            guard sent.isPaid else { return .json(Record.succeeded("r-1")) }
            await Self.callBack(Self.success(), during: sent, to: world)
            throw .interrupted("reset")
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.resolution == .calledBack)
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `a callback before a crash resolves the task at the next start`() async throws {
        let world = try await world()
        world.provider.play { _ async throws(UpstreamTransportError) in throw .cancelled }
        let id = try await world.submit()
        var work: [Submitter.Work] = []
        _ = try await world.engine.submitter.worker.claim(into: &work, at: world.time.now())
        // The callback arrives during the request, then the daemon crashes.
        let digest = try #require(try await world.task(id).attempt?.callback)
        let owner = try #require(try await world.sqlite.owner(of: digest))
        let delivery = CallbackDelivery(
            attempt: owner.attempt, remoteID: RemoteTaskID("r-1"),
            observation: Observation(.succeeded(partial: false), record: Self.success()))
        _ = try await world.sqlite.apply(
            [ScheduledEvent(.calledBack(delivery), for: id, nextDueAt: world.time.now())], at: world.time.now())
        let next = try await EngineWorld(time: world.time, from: world, callbacksAt: Self.publicURL)
        try await next.engine.recovery.run()
        let task = try await next.task(id)
        #expect(task.state == .running)
        #expect(task.remoteID?.text == "r-1")
    }

    @Test func `a task with a callback is never resubmitted`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world, onUncertain: .resubmitIfAbsent)
        // A callback without an id proves that the task exists, but it cannot be polled.
        #expect(try await deliver(["note": "working on it"], token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        try await reconcile(world)
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a result without an id is the outcome of a lost submission`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        #expect(try await deliver(body, token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(task.outcomeSource == .callback)
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == body)
    }

    @Test func `a result without an id before a lost reply is the outcome`() async throws {
        let world = try await world()
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            await Self.callBack(body, during: sent, to: world)
            throw .interrupted("reset")
        }
        let id = try await world.submit(onUncertain: .resubmitIfAbsent)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(id)
        #expect(task.state == .succeeded && task.outcomeSource == .callback && task.resolution == .calledBack)
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == body)
        #expect(world.provider.paid.count == 1)
    }

    @Test(arguments: [UpstreamReply.error("busy", status: 429), .error("forbidden", status: 403)])
    func `a task with a callback is not resubmitted, whatever its reply`(reply: UpstreamReply) async throws {
        let world = try await world()
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            await Self.callBack(body, during: sent, to: world)
            return reply
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .succeeded)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback about an earlier attempt's failure does not end a later attempt`() async throws {
        let world = try await world()
        let (id, first) = try await lost(world)
        _ = try await world.service.resolve(id, .resubmit)
        let failure: JSONValue = ["success": false, "error": ["code": "forbidden", "message": "Moderation."]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            guard sent.isPaid else { return .items([]) }
            _ = try? await world.engine.callbacks.deliver(CallbackBody(failure.utf8), to: first)
            throw .interrupted("reset")
        }
        _ = try await world.engine.submitter.step()
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
    }

    @Test func `a queued task with a callback for an earlier attempt is not sent again`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        _ = try await world.service.resolve(id, .resubmit)
        #expect(try await world.task(id).state == .queued)
        #expect(try await deliver(Self.success(), token, to: world))
        #expect(try await world.task(id).state == .running)
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback with another task's id does not resolve an uncertain task`() async throws {
        let world = try await world()
        _ = try await running(world)
        let (id, token) = try await lost(world)
        #expect(try await deliver(Self.success(), token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(task.callbacks.count == 1)
        #expect(task.callbacks.finalAt == nil)
    }

    @Test func `a callback about another task of the provider does not end this task`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.success("r-77"), token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<5 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        #expect(try await world.task(id).state == .running)
        #expect(try await world.sqlite.deliveredOutcome(of: id) == nil)
    }

    @Test func `a listed record is matched by its token`() async throws {
        let world = try await world()
        let (first, firstToken) = try await lost(world)
        let (second, secondToken) = try await lost(world)
        let now = world.time.now()
        @Sendable func listed(_ id: String, _ token: String) -> JSONValue {
            Record.listed(
                id,
                request: [
                    "prompt": "a cat", "async": true, "callback_url": .string("\(Self.publicURL)/callbacks/\(token)"),
                ], at: now)
        }
        // The requests are equal and differ only in their token.
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([listed("r-2", secondToken), listed("r-1", firstToken), listed("r-0", "another-token")])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(first).remoteID?.text == "r-1")
        #expect(try await world.task(second).remoteID?.text == "r-2")
    }

    @Test func `a token in a listed record is proof, whatever the record's time`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        let url = Self.publicURL + "/callbacks/" + token
        let far = world.time.now() + .seconds(7_200)
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([Record.listed("r-5", request: ["prompt": "a kitten", "callback_url": .string(url)], at: far)])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-5")
    }

    @Test func `a list without callback URLs does not prove absence`() async throws {
        let world = try await world()
        let (id, _) = try await lost(world, onUncertain: .resubmitIfAbsent)
        let now = world.time.now()
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([Record.listed("r-1", request: ["prompt": "a cat"], at: now)])
        }
        try await reconcile(world)
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.paid.count == 1)
    }
}
