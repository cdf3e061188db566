import ProviderCatalog
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests that every kind of outcome stores the results that the dialect reads.
@Suite(.timeLimit(.minutes(2))) struct StoredResultsTests {
    private static let publicURL = "https://pollux.example"

    /// Checks the stored results of a succeeded task and returns their values.
    @discardableResult
    private func check(_ id: TaskID, in world: EngineWorld) async throws -> [JSONValue] {
        let stored = try await world.service.task(id)
        #expect(stored.task.state == .succeeded)
        let profile = try #require(world.catalog.endpoint(stored.task.endpoint))
        let named = profile.dialect.results(in: try #require(stored.payload.response), of: stored.task.remoteID)
        #expect(stored.payload.results == named)
        #expect(world.service.results(of: stored) == named)
        return named.map(\.value)
    }

    private func deliver(_ body: JSONValue, to world: EngineWorld) async throws {
        let url = try #require(world.provider.paid.last?.body["callback_url"]?.string)
        _ = try await world.engine.callbacks.deliver(
            CallbackBody(body.utf8), to: String(url.split(separator: "/").last ?? ""))
    }

    @Test func `a poll that finds the end stores the results`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        for record in [Record.pending("remote-1"), Record.succeeded("remote-1")] {
            world.provider.enqueue(.json(record))
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        #expect(try await check(id, in: world) == ["https://cdn.example/1.png"])
    }

    @Test func `each task of a batch has the results of its own record`() async throws {
        let world = try await EngineWorld()
        var ids: [TaskID] = []
        for number in 1...5 { ids.append(try await world.insert(.task(number, state: .running))) }
        world.provider.play { sent async throws(UpstreamTransportError) in
            .items(
                sent.ids.map { id in
                    [
                        "id": .string(id), "request": ["prompt": "a cat"], "finished_at": 1_795_000_031,
                        "response": [
                            "success": true, "data": [["image_url": .string("https://cdn.example/\(id).png")]],
                        ],
                    ]
                })
        }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        for (number, id) in ids.enumerated() {
            #expect(try await check(id, in: world) == [.string("https://cdn.example/remote-\(number + 1).png")])
        }
    }

    @Test func `an inline reply stores the results`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(
            .json(["success": true, "trace_id": "t", "data": [["image_url": "https://cdn.example/in.png"]]]))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await check(id, in: world) == ["https://cdn.example/in.png"])
    }

    @Test func `a success without results stores an empty list`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        world.provider.enqueue(
            .json(["id": "remote-1", "finished_at": 1_795_000_031, "response": ["success": true, "data": []]]))
        _ = try await world.engine.scheduler.step()
        #expect(try await check(id, in: world) == [])
        #expect(try await world.task(id).resultCount == 0)
    }

    @Test func `a callback that decides the outcome stores its results`() async throws {
        let world = try await EngineWorld(callbacksAt: Self.publicURL)
        world.provider.enqueue(.interrupted("reset"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        try await deliver(["success": true, "data": [["image_url": "https://cdn.example/called.png"]]], to: world)
        #expect(try await check(id, in: world) == ["https://cdn.example/called.png"])
    }

    @Test func `a task that the provider has forgotten has the delivered results`() async throws {
        let world = try await EngineWorld(callbacksAt: Self.publicURL)
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        world.time.advance(by: .seconds(2))
        try await deliver(
            ["success": true, "task_id": "r-1", "data": [["image_url": "https://cdn.example/1.png"]]], to: world)
        try await world.pollForgottenTasks()
        #expect(try await world.kinds(of: id).last == "ended_by_callback")
        #expect(try await check(id, in: world) == ["https://cdn.example/1.png"])
    }

    @Test func `the file result of a callback without an id uses the task's id`() async throws {
        let world = try await EngineWorld(
            definition: """
                provider: filing
                default: true
                base_url: http://127.0.0.1:1
                max_requests_per_second: 10000
                statuses: {unknown_task: [404]}
                endpoints:
                  films/make:
                    submit: {path: "/make", callback: {member: callback_url}}
                    accepted: {id: /id}
                    poll: {path: "/films/{id}"}
                    result: {path: "/films/{id}/content", is_file: true}
                    state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
                """, callbacksAt: Self.publicURL)
        world.provider.enqueue(.json(["id": "f-1"]))
        let id = try await world.submit("films/make")
        _ = try await world.engine.submitter.step()
        world.time.advance(by: .seconds(2))
        try await deliver(["status": "ok"], to: world)
        try await world.pollForgottenTasks(reply: .json(["error": "unknown"], status: 404))
        #expect(try await world.kinds(of: id).last == "ended_by_callback")
        #expect(try await check(id, in: world) == ["http://127.0.0.1:1/films/f-1/content"])
    }

    @Test func `a reopened task has the results of its record`() async throws {
        let world = try await EngineWorld()
        var lost = TrackedTask.task(1, state: .failed)
        lost.failure = TaskFailure(code: "submission_lost", message: "Lost.")
        lost.remoteID = RemoteTaskID("r-1")
        let id = try await world.insert(lost)
        _ = try await world.service.reopen(id)
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await check(id, in: world) == ["https://cdn.example/1.png"])
    }
}
