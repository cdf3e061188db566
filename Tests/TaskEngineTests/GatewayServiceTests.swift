import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct GatewayServiceTests {
    /// A submission with that content.
    private func submission(_ content: UInt8 = 1) throws -> GatewaySubmission {
        GatewaySubmission(
            endpoint: try #require(EndpointName("image/make")), request: JSONObject([("prompt", "a cat")]),
            program: "notebook", contentKey: [UInt8](repeating: content, count: 32))
    }

    @Test func `a submission whose commit is unknown is found by its retry`() async throws {
        let world = try await EngineWorld()
        let gateway = world.engine.gateway
        world.store.forgetOutcome { if case .insert = $0 { true } else { false } }
        await #expect(throws: TaskServiceError.self) { try await gateway.submit(submission()) }
        let stored = try await world.sqlite.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
        let retry = try await gateway.submit(submission())
        #expect(stored.map(\.task.id) == [retry.task])
        #expect(retry.isJoined)
    }

    @Test func `a fate that could not be stored counts all the same`() async throws {
        let world = try await EngineWorld()
        let gateway = world.engine.gateway
        let first = try await gateway.submit(submission())
        gateway.report(.undelivered, of: try #require(first.exchange))
        world.store.fail(next: 1, with: .full)
        await #expect(throws: TaskStoreError.full) { try await world.engine.fateRecorder.step() }
        #expect(try await gateway.submit(submission()).task == first.task)
        #expect(gateway.fates.unstored.isEmpty)
    }

    @Test func `a fate is stored without another submission`() async throws {
        let world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        world.engine.gateway.report(.delivered, of: try #require(first.exchange))
        _ = try await world.engine.fateRecorder.step()
        #expect(world.engine.gateway.fates.unstored.isEmpty)
        let later = try await EngineWorld(seed: 2, time: world.time, from: world)
        try await later.engine.recovery.run()
        // It was not open when the process ended, so it is not lost.
        #expect(try await later.engine.gateway.submit(submission()).isJoined == false)
    }

    @Test func `what was open when the daemon died is found by the retry`() async throws {
        let world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        let later = try await EngineWorld(seed: 2, time: world.time, from: world)
        try await later.engine.recovery.run()
        let retry = try await later.engine.gateway.submit(submission())
        #expect(retry.task == first.task)
        #expect(retry.isJoined)
    }

    @Test func `tokens are known after a restart`() async throws {
        let world = try await EngineWorld()
        let token = try await world.engine.gateway.tokens.add("notebook")
        let later = try await EngineWorld(seed: 2, time: world.time, from: world)
        #expect(later.engine.gateway.tokens.name(of: token) == "notebook")
        #expect(later.engine.gateway.tokens.name(of: String(token.dropLast())) == nil)
        #expect(later.engine.gateway.tokens.name(of: "") == nil)
    }

    @Test func `a cancelled task is asked for at once, and shows what became of it`() async throws {
        let definition = """
            provider: testing
            default: true
            base_url: http://127.0.0.1:1
            max_requests_per_second: 1000
            endpoints:
              image/make:
                submit: {path: /v1/make}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}", id: /id}
                cancel: {method: POST, path: "/v1/tasks/{id}/cancel"}
                state: [{at: /status, pending: [run], succeeded: [ok], failed: [canceled]}]
                results: [/url]
            """
        let world = try await EngineWorld(definition: definition)
        let gateway = world.engine.gateway
        world.provider.enqueue(.json(["id": "r-1", "status": "run"]))
        let task = try await gateway.submit(submission()).task
        _ = try await world.engine.submitter.step()
        let profile = try #require(world.catalog.endpoints.first)
        let id = try #require(RemoteTaskID("r-1"))
        let stored = try #require(try await gateway.tasks([id], of: [profile])[id])
        #expect(stored.task.id == task)
        world.provider.enqueue(.json(["id": "r-1", "status": "canceled"]))
        let reply = try await gateway.cancel(stored, of: profile)?.get()
        #expect(reply?.status == 200)
        #expect(world.provider.queries.last?.request.path == "/v1/tasks/r-1/cancel")
        #expect(try await world.task(task).nextDueAt == world.time.now())
        world.provider.enqueue(.json(["id": "r-1", "status": "canceled"]))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(task).state == .failed)
        let ended = try #require(try await gateway.tasks([id], of: [profile])[id])
        let view = try await gateway.view(of: ended, at: "http://g/testing")
        #expect(profile.dialect.gateway.record(view) == ["id": "r-1", "status": "canceled"])
    }

    @Test func `a task that was not sent is cancelled here`() async throws {
        let world = try await EngineWorld()
        let gateway = world.engine.gateway
        let task = try await gateway.submit(submission()).task
        let name = try #require(EndpointName("image/make"))
        let profile = try #require(world.catalog.endpoint(name))
        let id = RemoteTaskID(task)
        let stored = try #require(try await gateway.tasks([id], of: [profile])[id])
        #expect(try await gateway.cancel(stored, of: profile) == nil)
        #expect(try await world.task(task).state == .cancelled)
        #expect(world.provider.sent.isEmpty)
    }
}
