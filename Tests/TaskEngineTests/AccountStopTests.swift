import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests refusals that concern the account or the URL and keep tasks queued.
@Suite(.timeLimit(.minutes(2))) struct AccountStopTests {
    private static let definition = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        error: {code: /code, message: /detail, wait: {at: /wait}}
        codes: {stops_account: {code: [broke], text: [is locked]}}
        endpoints:
          image/make: &endpoint
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/tasks/{id}", wait: {at: /wait}}
            cancel: {path: "/tasks/{id}"}
            state: [{at: /status, pending: [running], succeeded: [done], failed: [bad]}]
            results: [/url]
            typical_seconds: 2
          film/make: *endpoint
        """

    @Test(arguments: [
        UpstreamReply.json(["detail": "User is LOCKED. Top up."], status: 403), .json(["code": "broke"], status: 429),
        .json(["code": "broke"], status: 200),
    ])
    func `an unusable account keeps every task of the provider queued`(reply: UpstreamReply) async throws {
        let world = try await EngineWorld(definition: Self.definition)
        world.provider.play { _ async throws(UpstreamTransportError) in reply }
        let first = try await world.submit()
        _ = try await world.engine.submitter.step()
        let later = try await world.submit("film/make")
        for _ in 1...3 {
            world.time.advance(by: .seconds(600))
            _ = try await world.engine.submitter.step()
        }
        #expect(world.provider.paid.count == 1)
        for id in [first, later] {
            let task = try await world.task(id)
            #expect(task.state == .queued)
            #expect(
                await world.service.forecast(of: task).waitingFor?.message.contains("provider testing is paused")
                    == true
            )
        }
        world.provider.play { _ async throws(UpstreamTransportError) in .json(["id": "r-1"]) }
        try await world.engine.endpoints.resume("image/make")
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .running)
    }

    @Test(arguments: [301, 307, 308])
    func `a permanent redirect pauses only its endpoint and shows the new URL`(status: Int) async throws {
        let world = try await EngineWorld(definition: Self.definition)
        world.provider.enqueue(
            UpstreamReply(status: status, headers: ["location": "https://new.example/make"], body: []))
        world.provider.play { _ async throws(UpstreamTransportError) in .json(["id": "r-1"]) }
        let moved = try await world.submit()
        _ = try await world.engine.submitter.step()
        let other = try await world.submit("film/make")
        world.time.advance(by: .seconds(600))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 2)
        #expect(try await world.task(other).state == .running)
        let task = try await world.task(moved)
        #expect(task.state == .queued)
        #expect(await world.service.forecast(of: task).waitingFor?.message.contains("https://new.example/make") == true)
        try await world.engine.endpoints.resume("image/make")
        world.provider.enqueue(.json(["id": "r-2"]))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(moved).state == .running)
    }

    @Test(arguments: [302, 303, 408])
    func `other redirects and a time-out make the task uncertain`(status: Int) async throws {
        let world = try await EngineWorld(definition: Self.definition)
        world.provider.enqueue(UpstreamReply(status: status, body: []))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
    }

    @Test func `a wait time in the body applies to submissions and polls`() async throws {
        let world = try await EngineWorld(definition: Self.definition)
        world.provider.enqueue(.json(["detail": "slow down", "wait": "45.5s"], status: 429))
        world.provider.play { _ async throws(UpstreamTransportError) in
            .json(["id": "r-1", "status": "running", "wait": 33])
        }
        let id = try await world.submit()
        let start = world.time.now()
        while try await world.task(id).state != .running, world.time.now() < start + .seconds(300) {
            let next = try await world.engine.submitter.step()
            world.time.set(to: max(next, world.time.now() + .milliseconds(500)))
        }
        #expect(world.provider.paid.count == 2)
        #expect(world.time.now() - start >= .milliseconds(45_500))
        world.time.set(to: try #require(try await world.task(id).nextDueAt))
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.queries.count == 1)
        #expect(try #require(try await world.task(id).nextDueAt) - world.time.now() >= .seconds(33))
    }

    @Test func `a query or a cancellation can also stop the account`() async throws {
        for isCancelled in [false, true] {
            let world = try await EngineWorld(definition: Self.definition)
            let id = try await world.insert(.task(1, state: .running, endpoint: "image/make"))
            world.provider.play { _ async throws(UpstreamTransportError) in .json(["detail": "is locked"], status: 403)
            }
            if isCancelled {
                _ = try await world.service.cancel(id)
            } else {
                _ = try await world.engine.scheduler.step()
                #expect(try await world.task(id).state == .running)
            }
            let queued = try await world.submit()
            _ = try await world.engine.submitter.step()
            #expect(world.provider.paid.isEmpty)
            #expect(try await world.task(queued).state == .queued)
        }
    }
}
