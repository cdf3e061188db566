import PollingPolicy
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests queries that keep failing while others of their service succeed.
@Suite(.timeLimit(.minutes(2))) struct FailingQueryIsolationTests {
    /// Runs the poll loop for that long.
    private func poll(_ world: EngineWorld, for span: Duration) async throws {
        let end = world.time.now() + span
        while world.time.now() < end {
            let comeBack = try await world.engine.scheduler.step()
            world.time.set(to: max(min(comeBack, end), world.time.now() + .milliseconds(200)))
        }
    }

    private func insert(_ count: Int, _ endpoint: String, into world: EngineWorld) async throws -> [TaskID] {
        var ids: [TaskID] = []
        for number in 1...count {
            ids.append(try await world.insert(.task(number, state: .running, endpoint: endpoint)))
        }
        return ids
    }

    @Test func `a batch whose reply is too large is split`() async throws {
        let world = try await EngineWorld()
        _ = try await insert(40, "image/make", into: world)
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard !sent.ids.isEmpty else { return .json(Record.succeeded(sent.body["id"]?.string ?? "")) }
            guard sent.ids.count <= 6 else { throw .tooLarge(maxBytes: 32 << 20) }
            return .items(sent.ids.map { Record.succeeded($0) })
        }
        try await poll(world, for: .seconds(600))
        #expect(Set(try await world.sqlite.counts().map(\.state)) == [.succeeded])
    }

    @Test func `a record that is too large is reported and polled at most hourly`() async throws {
        let world = try await EngineWorld()
        let id = try await insert(1, "single/make", into: world)[0]
        world.provider.play { _ async throws(UpstreamTransportError) in throw .tooLarge(maxBytes: 1_000) }
        try await poll(world, for: .seconds(7_100))
        #expect((1...2).contains(world.provider.sent.count))
        let stored = try await world.task(id)
        #expect(stored.state == .running)
        #expect(await world.service.forecast(of: stored).waitingFor?.code == "reply_too_large")
        #expect(try await world.kinds(of: id).filter { $0 == "reply_too_large" }.count == 1)
        // Other tasks of the service are polled at the usual pace.
        world.provider.forget()
        world.provider.play { sent async throws(UpstreamTransportError) in
            let asked = sent.body["id"]?.string ?? ""
            if asked == stored.remoteID?.text { throw .tooLarge(maxBytes: 1_000) }
            return .json(Record.succeeded(asked))
        }
        let other = try await world.insert(.task(2, state: .running, endpoint: "single/make"))
        try await poll(world, for: .seconds(300))
        #expect(try await world.task(other).state == .succeeded)
        // With a larger limit it can be read.
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(Record.succeeded(sent.body["id"]?.string ?? ""))
        }
        try await poll(world, for: .seconds(3_700))
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `an id that fails every batch is polled alone at growing gaps`() async throws {
        let world = try await EngineWorld()
        let ids = try await insert(40, "image/make", into: world)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.ids.contains("remote-7") || sent.body["id"]?.string == "remote-7" {
                return .error("api_error", status: 500)
            }
            guard !sent.ids.isEmpty else { return .json(Record.succeeded(sent.body["id"]?.string ?? "")) }
            return .items(sent.ids.map { Record.succeeded($0) })
        }
        try await poll(world, for: .seconds(900))
        for (number, id) in ids.enumerated() {
            #expect(try await world.task(id).state == (number == 6 ? .running : .succeeded))
        }
        let before = world.provider.sent.count
        try await poll(world, for: .seconds(3_600))
        #expect((2...120).contains(world.provider.sent.count - before))
    }

    @Test(arguments: [UpstreamReply.error("api_error", status: 500), .json(Record.succeeded("another"))])
    func `a task whose queries always fail does not delay others`(reply: UpstreamReply) async throws {
        let world = try await EngineWorld()
        let ids = try await insert(3, "single/make", into: world)
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.body["id"] == "remote-2" ? reply : .json(Record.pending(sent.body["id"]?.string ?? ""))
        }
        try await poll(world, for: .seconds(3_600))
        let asked = Dictionary(grouping: world.provider.sent, by: { $0.body["id"]?.string ?? "" }).mapValues(\.count)
        // At least once a minute.
        for id in ["remote-1", "remote-3"] { #expect(asked[id, default: 0] >= 50) }
        #expect((5...40).contains(asked["remote-2", default: 0]))
        #expect(try await world.task(ids[1]).state == .running)
    }

    @Test func `a failing task that is alone slows down its service`() async throws {
        let world = try await EngineWorld()
        _ = try await insert(2, "single/make", into: world)
        let start = world.time.now()
        // The other task ends after a minute. This one never gets a reply.
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            guard sent.body["id"] == "remote-2" else { return .error("api_error", status: 500) }
            let isOver = world.time.now() > start + .seconds(60)
            return .json(isOver ? Record.succeeded("remote-2") : Record.pending("remote-2"))
        }
        try await poll(world, for: .seconds(300))
        let before = world.provider.sent.count
        try await poll(world, for: .seconds(3_600))
        #expect((30...100).contains(world.provider.sent.count - before))
    }

    @Test func `a service that is down gets few queries, and all tasks recover`() async throws {
        let world = try await EngineWorld()
        _ = try await insert(5, "single/make", into: world)
        let start = world.time.now()
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            world.time.now() < start + .seconds(1_800)
                ? .error("api_error", status: 500) : .json(Record.succeeded(sent.body["id"]?.string ?? ""))
        }
        try await poll(world, for: .seconds(1_800))
        #expect(world.provider.sent.count < 120)
        try await poll(world, for: .seconds(180))
        #expect(Set(try await world.sqlite.counts().map(\.state)) == [.succeeded])
    }

    @Test func `a submission that is always throttled does not block others`() async throws {
        let world = try await EngineWorld()
        let start = world.time.now()
        let never = try await world.submit("single/make", JSONObject([("prompt", "never")]))
        for _ in 0..<4 { try await world.submit("single/make") }
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            // First all submissions are throttled, then only one.
            sent.body["prompt"] == "never" || world.time.now() < start + .seconds(300)
                ? .error("busy", status: 429) : .accepted("r-\(world.provider.sent.count)")
        }
        let end = start + .seconds(900)
        while world.time.now() < end {
            let comeBack = try await world.engine.submitter.step()
            world.time.set(to: max(min(comeBack, end), world.time.now() + .milliseconds(200)))
        }
        #expect(try await world.task(never).state == .queued)
        #expect(try await world.sqlite.counts().first { $0.state == .running }?.count == 4)
    }

    @Test func `a long Retry-After keeps the order and does not count as a wrong clock`() async throws {
        let world = try await EngineWorld()
        let start = world.time.now()
        let never = try await world.submit("single/make", JSONObject([("prompt", "never")]))
        for _ in 0..<2 { try await world.submit("single/make") }
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            sent.body["prompt"] == "never" || world.time.now() < start + .seconds(1_300)
                ? .error("busy", status: 429, retryAfter: .seconds(150))
                : .accepted("r-\(world.provider.sent.count)")
        }
        let end = start + .seconds(4_000)
        while world.time.now() < end {
            let comeBack = min(
                try await world.engine.submitter.step(), try await world.engine.deadlines.step(), end)
            world.time.set(to: max(comeBack, world.time.now() + .milliseconds(200)))
        }
        #expect(try await world.task(never).state == .queued)
        #expect(try await world.sqlite.counts().first { $0.state == .running }?.count == 2)
    }

    @Test func `a request that can no longer be built fails and is not sent`() async throws {
        let definition = """
            provider: own
            default: true
            base_url: http://127.0.0.1:1/v1
            max_requests_per_second: 100
            endpoints:
              image/make:
                submit: {path: "/make"}
                accepted: {id: /id}
                poll: {path: "/tasks/{id}"}
                results: [/url]
                state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
            """
        let world = try await EngineWorld(definition: definition)
        let id = try await world.submit()
        try world.database.close()
        let next = try await EngineWorld(
            time: world.time, from: world, definition: definition.replacing("\"/make\"", with: "\"/{model}/make\""))
        world.time.advance(by: .seconds(1))
        _ = try await next.engine.submitter.step()
        let task = try await next.task(id)
        #expect(task.state == .failed)
        #expect(task.failure?.code == "bad_request")
        #expect(next.provider.sent.isEmpty)
    }
}
