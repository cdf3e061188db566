import BoundedMemory
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct SubmitterTests {
    // MARK: Replies

    @Test func `a 2xx with an id makes the task run and is sent once`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.remoteID?.text == "r-1")
        #expect(task.attempts == 1)
        #expect(try await world.kinds(of: id) == ["created", "submission_started", "submission_accepted"])
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(world.provider.paid.first?.body["async"] == true)
        #expect(world.provider.paid.first?.body["prompt"] == "a cat")
    }

    @Test func `the attempt is stored before the request is sent`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            let task = try? await world.task(id)
            #expect(sent.isPaid)
            #expect(task?.state == .submitting)
            #expect(task?.attempts == 1)
            #expect(task?.attempt?.startedAt == world.time.now())
            return .accepted("r-1")
        }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(try await world.task(id).state == .running)
    }

    @Test func `a 2xx with a finished result is a success`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(task.remoteID?.text == "r-1")
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == Record.succeeded("r-1"))
    }

    @Test func `a request that was not sent is retried after a pause`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.notSent("connection refused"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .queued)
        #expect(try await world.task(id).failure?.code == "not_sent")
        let comeBack = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(comeBack > world.time.now() && comeBack <= world.time.now() + .seconds(2))
        world.time.set(to: comeBack)
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
        #expect(try await world.task(id).attempts == 2)
    }

    @Test(arguments: [
        UpstreamReply.error("too_many", status: 429, retryAfter: .seconds(90)),
        .error("rate_limited", status: 400, retryAfter: .seconds(90)),
        .error("busy", status: 500, retryAfter: .seconds(90)),
    ])
    func `a throttled reply blocks its endpoint for the given time`(reply: UpstreamReply) async throws {
        var limits = EngineLimits()
        limits.submissionsInParallel = 1
        let world = try await EngineWorld(limits: limits)
        world.provider.enqueue(reply)
        let first = try await world.submit()
        let second = try await world.submit()
        let other = try await world.submit("image/other")
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .queued)
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-other") }
        world.time.advance(by: .milliseconds(89_900))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 2)
        #expect(try await world.task(second).attempts == 0)
        // Another endpoint of the same service is not blocked.
        #expect(try await world.task(other).state == .running)
        world.time.advance(by: .milliseconds(100))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .running)
    }

    @Test func `the block of a throttled endpoint survives a restart`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("rate_limited", status: 429, retryAfter: .seconds(90)))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        try world.database.close()
        let next = try await EngineWorld(time: world.time, from: world)
        _ = try await next.engine.submitter.step()
        #expect(next.provider.sent.isEmpty)
        next.time.advance(by: .seconds(90))
        next.provider.enqueue(.accepted("r-1"))
        _ = try await next.engine.submitter.step()
        #expect(try await next.task(id).state == .running)
    }

    @Test func `a refused task fails, and the next one is sent`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("forbidden", status: 403), .accepted("r-2"))
        let id = try await world.submit()
        let next = try await world.submit()
        var states: [TaskState] = []
        _ = try await world.engine.submitter.step()
        for id in [id, next] { states.append(try await world.task(id).state) }
        #expect(states.sorted { $0.rawValue < $1.rawValue } == [.failed, .running])
        #expect(try await world.sqlite.overdue(at: world.time.now(), limit: 9).isEmpty)
    }

    @Test func `without memory for the reply a task stays queued, and its endpoint is not blocked`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.provider.giveRoom { nil }
        for _ in 0..<8 {
            let next = try await world.engine.submitter.step()
            #expect(next == world.time.now() + .seconds(1))
            world.time.set(to: next)
        }
        #expect(try await world.task(id).state == .queued)
        #expect(try await world.kinds(of: id) == ["created"])
        #expect(world.provider.sent.isEmpty)
        let reports = try await world.engine.endpoints.endpoints()
        #expect(try #require(reports.first { $0.name.text == "image/make" }).block == nil)
        world.provider.giveRoom { ReplyRoom() }
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `memory for the reply is reserved until the reply is stored`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        let budget = ByteBudget(capacity: 10)
        world.provider.giveRoom { budget.reserve(10).map { ReplyRoom($0) } }
        world.provider.play { _ in
            #expect(budget.used == 10)
            return .accepted("r-1")
        }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
        #expect(budget.used == 0)
    }

    @Test(arguments: ["used_up", "disabled", "invalid_token", "token_expired"])
    func `an account error pauses the provider until it is resumed`(code: String) async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error(code, status: 403))
        let first = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .failed)
        #expect(try await world.task(first).failure?.code == code)
        let second = try await world.submit("image/edit")
        world.time.advance(by: .seconds(86_400))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(second).state == .queued)
        let forecast = await world.service.forecast(of: try await world.task(second))
        #expect(forecast.waitingFor?.code == code)
        #expect(try await world.engine.endpoints.report().providers.first?.pauseReason?.hasPrefix(code) == true)
        try await world.engine.endpoints.resume("image/make")
        world.provider.enqueue(.accepted("r-2"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(second).state == .running)
    }

    @Test(arguments: [
        (UpstreamReply.error("api_error", status: 500), true), (.text("<html>502</html>", status: 502), false),
        (.json(["error": ["code": "timeout", "message": "t"]], status: 504), false),
        (.text("{\"task_i", status: 200), false),
        (.json([:], status: 200), false), (.json(["moved": true], status: 302), false),
    ])
    func `an inconclusive reply makes the task uncertain, and it is not resubmitted`(
        reply: UpstreamReply, isProbablyRefused: Bool
    ) async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(reply)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(task.attempt?.isProbablyRefused == isProbablyRefused)
        #expect(task.nextDueAt == world.time.now())
        world.time.advance(by: .seconds(86_400))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
    }

    @Test(arguments: [UpstreamTransportError.interrupted("reset"), .cancelled])
    func `a lost reply makes the task uncertain, and it is not resubmitted`(error: UpstreamTransportError) async throws
    {
        let world = try await EngineWorld()
        world.provider.enqueue(error)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        world.time.advance(by: .seconds(86_400))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
    }

    @Test func `three consecutive lost replies block the endpoint`() async throws {
        let world = try await EngineWorld()
        for turn in 1...4 {
            world.provider.enqueue(.interrupted("reset"))
            try await world.submit()
            _ = try await world.engine.submitter.step()
            #expect(world.provider.paid.count == min(turn, 3), "turn \(turn)")
        }
    }

    // MARK: Storage failures

    @Test func `a remote id is stored once the full disk has space`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        world.store.fail(next: 5, with: .full) { $0.kinds == ["submission_accepted"] }
        async let stepping = world.engine.submitter.step()
        for _ in 0..<5 {
            await world.time.untilSleeping()
            #expect(try await world.task(id).state == .submitting)
            world.time.advance(by: .seconds(15))
        }
        _ = try await stepping
        #expect(try await world.task(id).remoteID?.text == "r-1")
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a claimed task is sent even if the next one cannot be claimed`() async throws {
        let world = try await EngineWorld()
        let first = try await world.insert(.task(1))
        let second = try await world.insert(.task(2, endpoint: "single/make"))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        // The first claim is stored, then the disk is full.
        let starts = Tally()
        world.store.fail { call in call.kinds == ["submission_started"] && starts.next() == 2 ? .full : nil }
        _ = try await world.engine.submitter.step()
        // Services are claimed in any order, so either may be the first.
        let states = [try await world.task(first).state, try await world.task(second).state]
        #expect(Set(states) == [.running, .queued])
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a storage error without a claimed task is thrown`() async throws {
        let world = try await EngineWorld()
        try await world.submit()
        world.store.fail(next: 1, with: .locked)
        await #expect(throws: TaskStoreError.locked) { _ = try await world.engine.submitter.step() }
        #expect(world.provider.sent.isEmpty)
    }

    // MARK: The loop

    @Test func `run wakes for a new task and ends with shutdown`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let running = Task { try await world.engine.submitter.run() }
        await world.time.untilSleeping()
        let id = try await world.submit()
        let done = try await world.service.task(id, waitingForState: .running, world: world)
        #expect(done.state == .running)
        running.cancel()
        try await running.value
    }
}
