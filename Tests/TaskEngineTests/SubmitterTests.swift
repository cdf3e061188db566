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
    // MARK: What the reply proves

    @Test func `a 2xx with an id is a running task, paid for once`() async throws {
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

    @Test func `the intent is on disk before the provider is asked`() async throws {
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

    @Test func `nothing sent is queued again, after a rest`() async throws {
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
    func `a 429 leaves the whole endpoint alone for as long as it says`(reply: UpstreamReply) async throws {
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
        // Another endpoint of the same service is not slowed.
        #expect(try await world.task(other).state == .running)
        world.time.advance(by: .milliseconds(100))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .running)
    }

    @Test func `the time to stay away outlives a restart`() async throws {
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

    @Test func `a refused task has failed with the provider's code, and the next goes on`() async throws {
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

    @Test func `without memory for the reply a task stays in the queue, and its endpoint is not blamed`() async throws {
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

    @Test func `memory for the reply is held until that is recorded, and then given back`() async throws {
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
    func `an account that is stopped pauses its provider until it is resumed`(code: String) async throws {
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
    func `a reply that proves nothing makes the task uncertain, and it is not sent again`(
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
    func `a lost reply makes the task uncertain, and it is not sent again`(error: UpstreamTransportError) async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(error)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        world.time.advance(by: .seconds(86_400))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
    }

    @Test func `several lost replies in a row close the endpoint, one does not`() async throws {
        let world = try await EngineWorld()
        for turn in 1...4 {
            world.provider.enqueue(.interrupted("reset"))
            try await world.submit()
            _ = try await world.engine.submitter.step()
            #expect(world.provider.paid.count == min(turn, 3), "turn \(turn)")
        }
    }

    // MARK: When it may go

    @Test func `without a token tasks stay queued and say so`() async throws {
        let world = try await EngineWorld(hasToken: false)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .queued)
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "no_token")
    }

    @Test func `a task of a removed endpoint waits and blocks no other`() async throws {
        let world = try await EngineWorld()
        let gone = try await world.insert(.task(1, endpoint: "image/aaa"))
        let known = try await world.submit("image/make")
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(known).state == .running)
        #expect(try await world.task(gone).state == .queued)
        #expect(await world.service.forecast(of: try await world.task(gone)).waitingFor?.code == "endpoint_gone")
    }

    @Test func `not_before is obeyed and then remembered`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, notBefore: world.time.now() + .seconds(30)))
        let comeBack = try await world.engine.submitter.step()
        #expect(world.provider.sent.isEmpty)
        #expect(comeBack == world.time.now() + .seconds(30))
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "not_before")
        world.time.set(to: comeBack)
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `a task whose deadline has passed is never paid for`() async throws {
        let world = try await EngineWorld()
        let late = try await world.insert(.task(1, deadline: world.time.now() + .seconds(5)))
        let fine = try await world.insert(.task(2, deadline: world.time.now() + .seconds(50)))
        // The daemon slept meanwhile; the deadlines need not be checked first.
        world.time.advance(by: .seconds(5))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(late).attempts == 0)
        #expect(try await world.task(fine).state == .running)
    }

    @Test func `a full service holds the rest by priority, then age`() async throws {
        let world = try await EngineWorld()
        var ids: [TaskID] = []
        for (number, priority) in [0, 0, 5, 0, -1].enumerated() {
            ids.append(
                try await world.submit("capped/a", JSONObject([("n", .number(JSONNumber(number)))]), priority: priority)
            )
        }
        world.provider.play { sent async throws(UpstreamTransportError) in .accepted("r-\(sent.body["n"]?.text ?? "")")
        }
        func sent() -> [String] { world.provider.paid.compactMap { $0.body["n"]?.text }.sorted() }
        _ = try await world.engine.submitter.step()
        #expect(sent() == ["0", "2"])
        #expect(await world.service.forecast(of: try await world.task(ids[4])).waitingFor?.code == "in_flight_limit")
        _ = try await world.service.cancel(ids[0])
        _ = try await world.engine.submitter.step()
        #expect(sent() == ["0", "1", "2"])
        _ = try await world.service.cancel(ids[1])
        _ = try await world.service.cancel(ids[2])
        _ = try await world.engine.submitter.step()
        #expect(sent() == ["0", "1", "2", "3", "4"])
    }

    @Test func `endpoints of one service share its places by priority, then age`() async throws {
        let world = try await EngineWorld()
        for number in 0..<4 {
            try await world.insert(.task(number, endpoint: "capped/a", at: world.time.now() + .seconds(number)))
        }
        let urgent = try await world.insert(
            .task(10, endpoint: "capped/b", at: world.time.now() + .seconds(10), priority: 9))
        let old = try await world.insert(.task(11, endpoint: "capped/b", at: world.time.now() - .seconds(10)))
        world.time.advance(by: .seconds(20))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r") }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 2)
        #expect(try await world.task(urgent).state == .running)
        #expect(try await world.task(old).state == .running)
    }

    @Test func `submissions of a paced service keep their distance`() async throws {
        let world = try await EngineWorld()
        for _ in 0..<3 { try await world.submit("paced/make") }
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let comeBack = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(comeBack == world.time.now() + .seconds(2))
        world.time.advance(by: .milliseconds(1_999))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        world.time.set(to: comeBack)
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 2)
    }

    @Test func `a paused endpoint sends nothing, another goes on`() async throws {
        let world = try await EngineWorld()
        try await world.engine.endpoints.pause("image/make")
        let held = try await world.submit("image/make")
        let free = try await world.submit("image/edit")
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(held).state == .queued)
        #expect(try await world.task(free).state == .running)
        #expect(await world.service.forecast(of: try await world.task(held)).waitingFor?.code == "paused")
    }

    @Test func `the endpoint is closed before its throttled task can be taken again`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("rate_limited", status: 429, retryAfter: .seconds(60)))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("too-early") }
        let id = try await world.submit()
        // Another loop round in the very moment in which the task is queued again.
        world.store.afterApply { [world] call in
            guard call.kinds == ["submission_not_accepted"] else { return }
            _ = try? await world.engine.submitter.step()
        }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(try await world.task(id).state == .queued)
    }

    @Test func `a success that was sent before a 429 does not open the endpoint`() async throws {
        let world = try await EngineWorld()
        let slow = Gate()
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard sent.body["n"] == 1 else { return .error("rate_limited", status: 429, retryAfter: .seconds(60)) }
            await slow.wait()
            return .accepted("r-1")
        }
        world.store.afterApply { call in
            if call.kinds == ["submission_not_accepted"] { slow.open() }
        }
        let first = try await world.submit("image/make", JSONObject([("n", 1)]))
        let second = try await world.submit("image/make", JSONObject([("n", 2)]))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .running)
        world.time.advance(by: .seconds(59))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(second).attempts == 1)
        #expect(world.provider.paid.count == 2)
    }

    // MARK: A store in trouble

    @Test func `a remote id is written as soon as the disk takes it, however often it refuses`() async throws {
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

    @Test func `a task whose intent is on disk is sent even if the next one cannot be claimed`() async throws {
        let world = try await EngineWorld()
        let first = try await world.insert(.task(1))
        let second = try await world.insert(.task(2, endpoint: "single/make"))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        // The first intent goes through, then the disk is full.
        let starts = Tally()
        world.store.fail { call in call.kinds == ["submission_started"] && starts.next() == 2 ? .full : nil }
        _ = try await world.engine.submitter.step()
        // Services go in any order, so either may have been the one.
        let states = [try await world.task(first).state, try await world.task(second).state]
        #expect(Set(states) == [.running, .queued])
        #expect(world.provider.paid.count == 1)
    }

    @Test func `without any claim the trouble is passed on`() async throws {
        let world = try await EngineWorld()
        try await world.submit()
        world.store.fail(next: 1, with: .locked)
        await #expect(throws: TaskStoreError.locked) { _ = try await world.engine.submitter.step() }
        #expect(world.provider.sent.isEmpty)
    }

    // MARK: The loop itself

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
