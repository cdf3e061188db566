import ProviderCatalog
import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests what a reload of the settings changes in a running engine.
@Suite(.timeLimit(.minutes(2))) struct ReloadTests {
    private static let start = ManualTimeSource.start

    private func catalog(_ change: (String) -> String) throws -> ProviderCatalog {
        try ProviderCatalog(definitions: [("testing.yaml", change(EngineWorld.definition))])
    }

    private func reload(_ world: EngineWorld, _ change: (String) -> String) throws {
        let next = try catalog(change)
        world.reload { $0.catalog = next }
    }

    // MARK: Definitions

    @Test func `an endpoint added by a reload accepts and sends tasks`() async throws {
        let world = try await EngineWorld()
        await #expect(throws: TaskServiceError.self) { try await world.submit("image/new") }
        try reload(world) { $0.replacing("      other: {", with: "      new: {}\n      other: {") }
        let id = try await world.submit("image/new")
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `tasks of an endpoint removed by a reload wait until it is back`() async throws {
        let world = try await EngineWorld()
        let queued = try await world.submit("single/make")
        let running = try await world.insert(.task(2, state: .running, endpoint: "single/make"))
        try reload(world) { String($0.prefix(upTo: $0.firstRange(of: "  single:")?.lowerBound ?? $0.endIndex)) }
        _ = try await world.engine.submitter.step()
        world.time.advance(by: .seconds(3_600))
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.isEmpty)
        for (id, state) in [(queued, TaskState.queued), (running, .running)] {
            #expect(try await world.task(id).state == state)
            let shown = try await world.service.task(id)
            #expect(await world.service.forecast(of: shown.task).waitingFor?.code == "endpoint_gone")
        }
        #expect(try await world.engine.endpoints.openTasksWithoutEndpoint().map(\.count) == [2])
        try reload(world) { $0 }
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted("r-1") : .json(Record.succeeded("remote-2"))
        }
        _ = try await world.engine.submitter.step()
        world.time.advance(by: .seconds(120))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(queued).attempts == 1)
        #expect(try await world.task(running).state == .succeeded)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `limits and gaps of a reload apply to the next request`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        try await world.submit()
        _ = try await world.engine.submitter.step()
        world.reload { settings in
            settings.limits.submissionTimeout = .seconds(7)
            settings.limits.maxInFlight = 1
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .queued)
        world.reload { $0.limits.maxInFlight = 2 }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.map(\.timeout) == [.seconds(60), .seconds(7)])
    }

    @Test func `a request is rebuilt for the new base URL if a reload moves the provider`() async throws {
        let world = try await EngineWorld()
        let moved = world.catalog.moved(to: ["testing": "http://127.0.0.1:2/v1"])
        let id = try await world.submit()
        world.provider.play { sent async throws(UpstreamTransportError) in
            // Like a transport that reads its base URL at this moment.
            if sent.request.baseURL == "http://127.0.0.1:1/v1" {
                world.reload { $0.catalog = moved }
                throw .outdated
            }
            return .accepted("r-1")
        }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .queued)
        // It says nothing about the endpoint.
        #expect(try await world.engine.endpoints.endpoints().allSatisfy { $0.lastError == nil })
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
        #expect(
            world.provider.paid.map(\.request.baseURL) == ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"])
        #expect(
            try await world.kinds(of: id) == [
                "created", "submission_started", "submission_not_accepted", "submission_started",
                "submission_accepted",
            ])
    }

    // MARK: Tokens

    private static func rejected(_ code: String, status: Int = 401) -> UpstreamReply {
        var reply = UpstreamReply.error(code, status: status)
        reply.rejectsReplacedToken = true
        return reply
    }

    @Test(arguments: ["invalid_token", "unheard_of"])
    func `a submission with a replaced token goes back to the queue, and the provider is not paused`(
        code: String
    ) async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(Self.rejected(code))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .queued)
        #expect(try await world.engine.endpoints.report().providers.allSatisfy { $0.pauseReason == nil })
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
        #expect(world.provider.paid.count == 2)
        #expect(
            try await world.kinds(of: id) == [
                "created", "submission_started", "submission_not_accepted", "submission_started",
                "submission_accepted",
            ])
    }

    @Test func `a submission rejected with the current token pauses the provider`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("invalid_token", status: 401))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .failed)
        #expect(try await world.engine.endpoints.report().providers.contains { $0.pauseReason != nil })
    }

    @Test(arguments: [("timeout", TaskState.uncertain), ("api_error", .uncertain)])
    func `a replaced token does not turn an inconclusive reply into a refusal`(
        code: String, state: TaskState
    ) async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(Self.rejected(code))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == state)
        #expect(world.provider.paid.count == 1)
    }

    // MARK: Lost attempts

    @Test(arguments: [true, false])
    func `a list read across a reload proves nothing`(isReloaded: Bool) async throws {
        let world = try await EngineWorld()
        let lost = TrackedTask.task(1, state: .uncertain, onUncertain: .resubmitIfAbsent)
        try await world.insert(lost)
        try await world.insert(.task(90, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
        let control = Record.listed("control", request: ["prompt": "a dog"], at: Self.start + .seconds(1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            // The second page may come from another provider, where the task is missing.
            if offset == 0, isReloaded { world.reload { _ in } }
            return .items(offset == 0 ? [control] : [])
        }
        for _ in 0..<20 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(world.provider.queries.contains { $0.isListing })
        #expect(try await world.task(lost.id).state == (isReloaded ? .uncertain : .queued))
        if isReloaded { #expect(try await world.task(lost.id).attempt?.absentReadings == 0) }
    }

    @Test(arguments: [true, false])
    func `a list at a new base URL proves absence before the reload only if it shows a task from before`(
        isSameList: Bool
    ) async throws {
        let world = try await EngineWorld()
        let lost = TrackedTask.task(1, state: .uncertain, onUncertain: .resubmitIfAbsent)
        try await world.insert(lost)
        world.time.advance(by: .seconds(30))
        let moved = world.catalog.moved(to: ["testing": "http://127.0.0.1:2/v1"])
        let (early, late) = (Self.start, world.time.now() + .seconds(1))
        world.reload { $0.catalog = moved }
        let acceptedAt = isSameList ? early : late
        try await world.insert(
            .task(90, state: .succeeded, at: acceptedAt, remoteID: "control"), request: ["prompt": "a dog"])
        let control = Record.listed("control", request: ["prompt": "a dog"], at: acceptedAt + .seconds(1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .items(Int(sent.body["offset"]?.number?.integer ?? 0) == 0 ? [control] : [])
        }
        for _ in 0..<20 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(world.provider.queries.contains { $0.isListing })
        #expect(try await world.task(lost.id).state == (isSameList ? .queued : .uncertain))
    }

    @Test(
        arguments: [
            ("http://127.0.0.1:2/v1", "one"), ("http://127.0.0.1:1/v1", "two"), ("http://127.0.0.1:1/v1", "one"),
        ],
        [true, false])
    func
        `after a restart, a list read at another base URL or with another token proves absence only by a task from before`(
            settings: (url: String, token: String), hasControlFromBefore: Bool
        ) async throws
    {
        let before = try await EngineWorld(tokenDigests: ["testing": "one"])
        let lost = TrackedTask.task(1, state: .uncertain, onUncertain: .resubmitIfAbsent)
        try await before.insert(lost)
        before.time.advance(by: .seconds(30))
        let acceptedAt = hasControlFromBefore ? Self.start : before.time.now() + .seconds(20)
        let world = try await EngineWorld(
            time: before.time, from: before,
            definition: EngineWorld.definition.replacing("http://127.0.0.1:1/v1", with: settings.url),
            tokenDigests: ["testing": settings.token])
        try await world.insert(
            .task(90, state: .succeeded, at: acceptedAt, remoteID: "control"), request: ["prompt": "a dog"])
        let control = Record.listed("control", request: ["prompt": "a dog"], at: acceptedAt + .seconds(1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .items(Int(sent.body["offset"]?.number?.integer ?? 0) == 0 ? [control] : [])
        }
        for _ in 0..<20 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
        }
        let isSameList = settings == ("http://127.0.0.1:1/v1", "one")
        #expect(try await world.task(lost.id).state == (hasControlFromBefore || isSameList ? .queued : .uncertain))
    }

    @Test func `a lost attempt may have taken the timeout of an earlier start`() async throws {
        var limits = EngineLimits()
        limits.submissionTimeout = .seconds(600)
        let before = try await EngineWorld(limits: limits)
        var lost = TrackedTask.task(1, state: .uncertain)
        lost.failure = TaskFailure(code: TaskFailure.daemonStopped, message: "The daemon stopped.")
        lost.attempt?.endedAt = Self.start + .seconds(3_600)
        try await before.insert(lost)
        limits.submissionTimeout = .seconds(1)
        let world = try await EngineWorld(limits: limits, time: before.time, from: before)
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        _ = try await world.engine.reconciler.step()
        let until = try #require(world.provider.queries.first?.body["created_at_max"]?.number?.integer)
        #expect(until >= Int64((Self.start + .seconds(600)).unixSeconds))
    }

    @Test func `a task is not resubmitted when a reload interrupts its reading`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .uncertain))
        _ = try await world.sqlite.apply(
            .resubmitted(.resubmitted), to: id, at: world.time.now(), nextDueAt: world.time.now())
        let record = Record.listed("r-1", request: ["prompt": "a cat"], at: Self.start + .seconds(1))
        let readings = Mutex(0)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("r-new") }
            guard Int(sent.body["offset"]?.number?.integer ?? 0) == 0 else { return .items([]) }
            // As after a 401 with a replaced token.
            if readings.withLock({
                $0 += 1; return $0
            }) == 1 {
                world.reload { _ in }
            }
            return .items([record])
        }
        async let outdated = world.engine.submitter.step()
        // It waits a second before it claims the task again.
        await world.time.untilSleeping()
        world.time.advance(by: .seconds(1))
        _ = try await outdated
        #expect(world.provider.paid.isEmpty)
        world.time.advance(by: .seconds(5))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        #expect(try await world.task(id).remoteID?.text == "r-1")
    }

    @Test func `the time window uses the longest timeout since the start`() async throws {
        for isShortened in [false, true] {
            let world = try await EngineWorld()
            var lost = TrackedTask.task(1, state: .uncertain)
            lost.failure = TaskFailure(code: TaskFailure.daemonStopped, message: "The daemon stopped.")
            lost.attempt?.endedAt = Self.start + .seconds(3_600)
            try await world.insert(lost)
            world.reload { $0.limits.submissionTimeout = .seconds(600) }
            if isShortened { world.reload { $0.limits.submissionTimeout = .seconds(1) } }
            world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
            _ = try await world.engine.reconciler.step()
            let until = try #require(world.provider.queries.first?.body["created_at_max"]?.number?.integer)
            #expect(until >= Int64((Self.start + .seconds(600)).unixSeconds))
        }
    }
}
