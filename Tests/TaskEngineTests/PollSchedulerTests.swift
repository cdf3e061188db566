import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct PollSchedulerTests {
    private func running(_ number: Int, _ endpoint: String = "image/make") -> TrackedTask {
        .task(number, state: .running, endpoint: endpoint)
    }

    @Test func `a finished task has the provider's record verbatim`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1))
        world.provider.enqueue(.json(Record.succeeded("remote-1")))
        _ = try await world.engine.scheduler.step()
        let stored = try await world.service.task(id)
        #expect(stored.task.state == .succeeded)
        #expect(stored.task.polls == 1)
        #expect(stored.payload.response == Record.succeeded("remote-1"))
        #expect(world.provider.queries.first?.body["id"] == "remote-1")
        #expect(world.provider.queries.first?.body["task_id"] == "remote-1")
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a failed task has the provider's reason`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1))
        world.provider.enqueue(.json(Record.failed("remote-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .failed)
        #expect(try await world.task(id).failure?.code == "forbidden")
    }

    @Test func `several tasks of a service share one query with a limit`() async throws {
        let world = try await EngineWorld()
        for number in 1...7 {
            try await world.insert(running(number, number.isMultiple(of: 2) ? "image/make" : "image/edit"))
        }
        world.provider.play { sent async throws(UpstreamTransportError) in .items(sent.ids.map(Record.succeeded)) }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        #expect(world.provider.sent.first?.ids.count == 7)
        #expect(world.provider.sent.first?.body["limit"] == 7)
        #expect(Set(try await world.sqlite.counts().map(\.state)) == [.succeeded])
    }

    @Test func `a backlog is claimed in parts, and each task is polled once`()
        async throws
    {
        var limits = EngineLimits()
        limits.batchSize = 2
        let services = ["a", "b", "c"].map { "  \($0): {batch_size: 2, listing: none, endpoints: {make: {}}}" }
        let world = try await EngineWorld(
            limits: limits,
            definition: """
                provider: testing
                default: true
                base_url: http://127.0.0.1:1/v1
                max_requests_per_second: 10000
                services:
                \(services.joined(separator: "\n"))
                """)
        for number in 0..<24 { try await world.insert(running(number, "\(["a", "b", "c"][number % 3])/make")) }
        world.provider.play { sent async throws(UpstreamTransportError) in .items(sent.ids.map(Record.succeeded)) }
        #expect(try await world.engine.scheduler.step() == world.time.now())
        #expect((8..<12).contains(world.provider.sent.count))
        #expect(try await world.engine.scheduler.step() > world.time.now())
        let asked = world.provider.sent.flatMap(\.ids)
        #expect(asked.count == 24 && Set(asked).count == 24)
        #expect(Set(try await world.sqlite.counts().map(\.state)) == [.succeeded])
    }

    @Test func `a query has at most 50 ids, and four queries run at a time`() async throws {
        let world = try await EngineWorld()
        for number in 1...260 { try await world.insert(running(number)) }
        world.provider.play { sent async throws(UpstreamTransportError) in .items(sent.ids.map(Record.succeeded)) }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 4)
        #expect(world.provider.sent.allSatisfy { $0.ids.count <= 50 })
        #expect(Set(world.provider.sent.flatMap(\.ids)).count == world.provider.sent.map(\.ids.count).reduce(0, +))
        _ = try await world.engine.scheduler.step()
        #expect(Set(try await world.sqlite.counts().map(\.state)) == [.succeeded])
    }

    @Test func `tasks of a service without batches are polled one by one`() async throws {
        let world = try await EngineWorld()
        for number in 1...3 { try await world.insert(running(number, "single/make")) }
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(Record.succeeded(sent.body["id"]?.string ?? ""))
        }
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 3)
        #expect(world.provider.sent.allSatisfy { $0.action == "retrieve" })
    }

    @Test func `an id missing in a batch is polled alone and does not count as a miss`() async throws {
        let world = try await EngineWorld()
        let ids = [try await world.insert(running(1)), try await world.insert(running(2))]
        world.provider.enqueue(.items([Record.pending("remote-1")]))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(ids[1]).notFoundCount == 0)
        #expect(try await world.task(ids[1]).state == .running)
        world.provider.enqueue(.json(Record.succeeded("remote-2")))
        world.time.advance(by: .seconds(1))
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.last?.action == "retrieve")
        #expect(world.provider.sent.last?.body["id"] == "remote-2")
        #expect(try await world.task(ids[1]).state == .succeeded)
    }

    @Test func `a task is gone only after five misses over ten minutes`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1, "single/make"))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        let start = world.time.now()
        while try await !world.task(id).state.hasEnded, world.provider.sent.count < 500 {
            world.time.set(to: try #require(await world.task(id).nextDueAt))
            _ = try await world.engine.scheduler.step()
        }
        let task = try await world.task(id)
        #expect(task.failure?.code == "remote_task_not_found")
        #expect(world.time.now() - start >= .seconds(600))
        #expect(task.polls == world.provider.sent.count)
        #expect(world.provider.sent.count >= 5)
    }

    @Test func `misses within ten minutes do not end a task, and a record resets them`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1, "single/make"))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<9 {
            try await world.sqlite.postpone([id], until: world.time.now())
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(try await world.task(id).state == .running)
        #expect(try await world.task(id).notFoundCount == 9)
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.pending("remote-1")) }
        try await world.sqlite.postpone([id], until: world.time.now())
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).notFoundCount == 0)
    }

    @Test(arguments: [
        UpstreamReply.text("<html>", status: 502), .error("api_error", status: 500),
        .error("rate_limited", status: 429),
        .text("{\"id\": \"remo", status: 200), .error("forbidden", status: 403), .json(Record.succeeded("remote-999")),
    ])
    func `a failed query fails no task and slows down its service`(reply: UpstreamReply) async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1))
        let other = try await world.insert(running(2, "single/make"))
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.body["id"] == "remote-1" ? reply : .json(Record.pending("remote-2"))
        }
        _ = try await world.engine.scheduler.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.failure == nil)
        #expect(await world.service.forecast(of: task).waitingFor?.code == "backing_off")
        #expect(await world.service.forecast(of: try await world.task(other)).waitingFor == nil)
        try await world.sqlite.postpone([id], until: world.time.now())
        let asked = world.provider.sent.count
        let comeBack = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == asked)
        #expect(comeBack <= world.time.now() + .seconds(2))
    }

    @Test(arguments: [UpstreamTransportError.notSent("refused"), .interrupted("reset"), .cancelled])
    func `a query without a reply fails no task`(error: UpstreamTransportError) async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1))
        world.provider.enqueue(error)
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .running)
        #expect(try await world.task(id).nextDueAt.map { $0 > world.time.now() } == true)
    }

    @Test func `Retry-After on a query delays the whole service`() async throws {
        let world = try await EngineWorld()
        for number in 1...60 { try await world.insert(running(number)) }
        var limits = EngineLimits()
        limits.pollsInParallel = 1
        world.provider.play { _ async throws(UpstreamTransportError) in
            .error("rate_limited", status: 429, retryAfter: .seconds(120))
        }
        _ = try await world.engine.scheduler.step()
        let asked = world.provider.sent.count
        world.time.advance(by: .milliseconds(119_900))
        let comeBack = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == asked)
        #expect(comeBack <= world.time.now() + .milliseconds(100))
        world.provider.play { sent async throws(UpstreamTransportError) in .items(sent.ids.map(Record.succeeded)) }
        world.time.advance(by: .milliseconds(100))
        // One after the other, because the provider has throttled.
        for count in 1...2 {
            _ = try await world.engine.scheduler.step()
            #expect(world.provider.sent.count == asked + count)
            world.time.advance(by: .milliseconds(2))
        }
    }

    @Test func `consecutive failures slow down a service increasingly`() async throws {
        let world = try await EngineWorld()
        try await world.insert(running(1))
        world.provider.play { _ async throws(UpstreamTransportError) in .text("<html>", status: 502) }
        let start = world.time.now()
        while world.time.now() - start < .seconds(600) {
            world.time.set(to: try await world.engine.scheduler.step() + .milliseconds(1))
        }
        #expect(world.provider.sent.count < 30)
        #expect(world.provider.sent.count > 8)
    }

    @Test func `a running task of a removed endpoint does not block its service`() async throws {
        let world = try await EngineWorld()
        let gone = try await world.insert(running(1, "image/gone"))
        let known = try await world.insert(running(2))
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.succeeded("remote-2")) }
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(known).state == .succeeded)
        #expect(try await world.task(gone).state == .running)
    }

    @Test func `claimed polls run even if a later service cannot be read`() async throws {
        let world = try await EngineWorld()
        let first = try await world.insert(running(1))
        try await world.insert(running(2, "single/make"))
        let reads = Tally()
        // Reading the first service succeeds, the second fails.
        world.store.fail { call in
            guard case .read("due") = call else { return nil }
            return reads.next() == 3 ? .locked : nil
        }
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(Record.succeeded(sent.body["id"]?.string ?? ""))
        }
        _ = try? await world.engine.scheduler.step()
        world.store.fail(nil)
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(first).state == .succeeded)
    }

    @Test func `without a token nothing is polled, and the task shows why`() async throws {
        let world = try await EngineWorld(hasToken: false)
        let id = try await world.insert(running(1))
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .running)
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "no_token")
    }

    @Test func `polls respect the provider's rate`() async throws {
        var limits = EngineLimits()
        limits.pollsPerSecond = 2
        let world = try await EngineWorld(limits: limits)
        // A start has no budget, because another daemon may have used that of the last second.
        world.time.advance(by: .seconds(1))
        for number in 1...4 { try await world.insert(running(number, "single/make")) }
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(Record.pending(sent.body["id"]?.string ?? ""))
        }
        let comeBack = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        #expect(comeBack >= world.time.now() + .milliseconds(500))
        #expect(comeBack <= world.time.now() + .milliseconds(550))
    }

    @Test func `a poll result is stored once the full disk has space`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(running(1))
        world.provider.enqueue(.json(Record.succeeded("remote-1")))
        world.store.fail(next: 3, with: .full) { $0.kinds == ["observed"] }
        async let stepping = world.engine.scheduler.step()
        for _ in 0..<3 {
            await world.time.untilSleeping()
            world.time.advance(by: .seconds(15))
        }
        _ = try await stepping
        #expect(try await world.task(id).state == .succeeded)
        #expect(world.provider.sent.count == 1)
    }

    @Test func `tracked tasks without times do not change the statistics`() async throws {
        let world = try await EngineWorld()
        for number in 1...6 {
            _ = try await world.service.adopt(
                endpoint: "image/make", remoteID: "remote-\(number)", labels: [:], priority: 0, deadline: nil)
        }
        let bare = JSONValue.object(
            JSONObject([("response", ["success": true, "data": [["image_url": "https://x/1.png"]]])]))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .items(
                sent.ids.map { id in
                    var record = bare.object ?? JSONObject()
                    record["id"] = .string(id)
                    return .object(record)
                })
        }
        world.time.advance(by: .seconds(1))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.sqlite.counts().map(\.state) == [.succeeded])
        let report = try await world.engine.endpoints.endpoints().first { $0.name.text == "image/make" }
        #expect(report?.learned == nil)
    }

    @Test func `a tracked task is polled at once, also beside others`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.pending("remote-1")) }
        for number in 1...2 {
            _ = try await world.service.adopt(
                endpoint: "single/make", remoteID: "remote-\(number)", labels: [:], priority: 0, deadline: nil)
            // The second time a plan exists that contains only the first task.
            for _ in 1...2 { _ = try await world.engine.scheduler.step() }
            #expect(world.provider.sent.count { $0.body["id"] == .string("remote-\(number)") } == 1)
        }
    }

    @Test func `run wakes for a task and ends when cancelled`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.succeeded("remote-1")) }
        let running = Task { try await world.engine.scheduler.run() }
        await world.time.untilSleeping()
        let adopted = try await world.service.adopt(
            endpoint: "image/make", remoteID: "remote-1", labels: [:], priority: 0, deadline: nil)
        let done = try await world.service.task(adopted.task.task.id, waitingFor: .seconds(3_600))
        #expect(done.task.state == .succeeded)
        running.cancel()
        try await running.value
    }
}
