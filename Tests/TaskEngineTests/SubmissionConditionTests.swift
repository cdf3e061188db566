import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests which queued tasks are sent, and in which order.
@Suite(.timeLimit(.minutes(2))) struct SubmissionConditionTests {
    @Test func `without a token tasks stay queued and show why`() async throws {
        let world = try await EngineWorld(hasToken: false)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .queued)
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "no_token")
    }

    @Test func `a task of a removed endpoint waits and does not block others`() async throws {
        let world = try await EngineWorld()
        let gone = try await world.insert(.task(1, endpoint: "image/aaa"))
        let known = try await world.submit("image/make")
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(known).state == .running)
        #expect(try await world.task(gone).state == .queued)
        #expect(await world.service.forecast(of: try await world.task(gone)).waitingFor?.code == "endpoint_gone")
    }

    @Test func `a task is not sent before its not_before`() async throws {
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

    @Test func `a task after its deadline is never sent`() async throws {
        let world = try await EngineWorld()
        let late = try await world.insert(.task(1, deadline: world.time.now() + .seconds(5)))
        let fine = try await world.insert(.task(2, deadline: world.time.now() + .seconds(50)))
        // The machine slept. The deadlines need not be checked first.
        world.time.advance(by: .seconds(5))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(late).attempts == 0)
        #expect(try await world.task(fine).state == .running)
    }

    @Test func `tasks beyond the in-flight limit are sent later by priority, then age`() async throws {
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

    @Test func `endpoints of a service share its in-flight limit by priority, then age`() async throws {
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

    @Test func `submissions respect the service's rate`() async throws {
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

    @Test func `a paused endpoint sends nothing, and others do`() async throws {
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

    @Test func `a throttled endpoint is blocked before its task can be claimed again`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("rate_limited", status: 429, retryAfter: .seconds(60)))
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("too-early") }
        let id = try await world.submit()
        // Another step runs at the moment when the task is queued again.
        world.store.afterApply { [world] call in
            guard call.kinds == ["submission_not_accepted"] else { return }
            _ = try? await world.engine.submitter.step()
        }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(try await world.task(id).state == .queued)
    }

    @Test func `a success sent before a 429 does not unblock the endpoint`() async throws {
        let world = try await EngineWorld()
        let slow = Latch()
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
}
