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

    @Test func `requests that come together at the start of a daemon on a shared store are all answered`() async throws
    {
        let world = try await EngineWorld(isShared: true)
        let clock = Task {
            while !Task.isCancelled {
                // Those that do not ask for the lease wait for the answer to the one that does.
                world.time.advance(by: .milliseconds(200))
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        defer { clock.cancel() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for content in UInt8(1)...8 {
                group.addTask { try await world.engine.gateway.submit(submission(content)).mayAnswer }
            }
            for try await mayAnswer in group { #expect(mayAnswer) }
        }
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

    /// The task of a counted retry that arrives three seconds after a delivered reply; time passes whenever it waits.
    private func retry(in world: EngineWorld) async throws -> GatewayAdmission {
        world.time.advance(by: .seconds(3))
        var counted = try submission()
        counted.isCountedRetry = true
        return try await withThrowingTaskGroup(of: GatewayAdmission?.self) { [counted] group in
            group.addTask { try await world.engine.gateway.submit(counted) }
            group.addTask {
                while !Task.isCancelled {
                    await world.time.untilSleeping()
                    world.time.advance(by: .seconds(1))
                }
                return nil
            }
            defer { group.cancelAll() }
            while let next = try await group.next() { if let next { return next } }
            throw CancellationError()
        }
    }

    @Test(arguments: [false, true])
    func `a counted retry gets a task of its own once the program of the other asks about that`(isRestarted: Bool)
        async throws
    {
        var world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        let exchange = try #require(first.exchange)
        world.engine.gateway.report(.delivered, of: exchange)
        if isRestarted {
            _ = try await world.engine.fateRecorder.step()
            world = try await EngineWorld(seed: 2, time: world.time, from: world)
            try await world.engine.recovery.run()
        }
        let task = try await world.task(first.task)
        // Another program that asks about it proves nothing.
        world.engine.gateway.noteAsked(about: task, by: "other")
        world.engine.gateway.noteAsked(about: task, by: "notebook")
        let second = try await retry(in: world)
        #expect(!second.isJoined)
        #expect(second.task != first.task)
    }

    @Test func `a counted retry whose reply nothing asks about gets its task after ten seconds`() async throws {
        let world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        world.engine.gateway.report(.delivered, of: try #require(first.exchange))
        let start = world.time.now()
        let second = try await retry(in: world)
        #expect(second.isJoined)
        #expect(second.task == first.task)
        #expect(world.time.now() - start >= .seconds(10))
    }

    @Test func `a question before the connection shows its fate counts too`() async throws {
        let world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        world.engine.gateway.noteAsked(about: try await world.task(first.task), by: "notebook")
        world.engine.gateway.report(.delivered, of: try #require(first.exchange))
        #expect(try await retry(in: world).isJoined == false)
    }

    @Test func `a reply that was lost is found again, also if its program asks about the task`() async throws {
        let world = try await EngineWorld()
        let first = try await world.engine.gateway.submit(submission())
        world.engine.gateway.report(.undelivered, of: try #require(first.exchange))
        world.engine.gateway.noteAsked(about: try await world.task(first.task), by: "notebook")
        #expect(try await world.engine.gateway.submit(submission()).task == first.task)
    }

    @Test func `a callback address is kept here if something may be delivered to it`() async throws {
        let world = try await EngineWorld()
        for (address, isKept) in [
            ("http://127.0.0.1:3000/done", true), ("https://example.org/done", true), ("http://example.org/", false),
            ("http://10.0.0.1/", false), ("done", false),
        ] {
            for delivers in [false, true] {
                var submission = try submission()
                submission.request["callback_url"] = .string(address)
                submission.deliversCallback = delivers
                submission.mayJoin = false
                let task = try await world.engine.gateway.submit(submission).task
                let stored = try #require(try await world.sqlite.taskWithPayload(task))
                let isHere = isKept && delivers
                #expect(stored.task.notify == (isHere ? "callback:\(address)" : nil), "\(address)")
                #expect(stored.payload.request["callback_url"] == (isHere ? nil : .string(address)))
                #expect(stored.task.hasOwnCallback == !isHere)
            }
        }
    }

    @Test func `a callback address in the query is kept here too`() async throws {
        let catalog = try ProviderCatalog.builtIn()
        let fal = try #require(catalog.endpoints.first { $0.name.text.hasPrefix("fal:queue") })
        var submission = GatewaySubmission(
            endpoint: fal.name, request: JSONObject(),
            message: PassedMessage(query: "a=1&fal_webhook=http%3A%2F%2F[::1]%2Fx&b=2"),
            program: "notebook", contentKey: [])
        submission.keepCallback(of: fal.dialect)
        #expect(submission.callback == "http://[::1]/x")
        #expect(submission.message.query == "a=1&b=2")
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
