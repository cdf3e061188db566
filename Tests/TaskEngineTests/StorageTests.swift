import ProviderCatalog
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

/// Tests the engine while commits have unknown outcomes or the storage has failed.
@Suite(.timeLimit(.minutes(2))) struct StorageTests {
    // MARK: Unknown commits

    @Test(arguments: [false, true])
    func `a claim with an unknown outcome sends nothing, and the task is sent once later`(isStored: Bool) async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let id = try await world.submit()
        if isStored {
            world.store.forgetOutcome { $0.kinds == ["submission_started"] }
        } else {
            world.store.fail(next: 1, with: .unknown) { $0.kinds == ["submission_started"] }
        }
        await #expect(throws: TaskStoreError.unknown) { _ = try await world.engine.submitter.step() }
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == (isStored ? .submitting : .queued))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
        #expect(world.provider.paid.count == 1)
        let given = isStored ? ["submission_started", "submission_not_accepted"] : []
        #expect(
            try await world.kinds(of: id) == ["created"] + given + ["submission_started", "submission_accepted"])
    }

    @Test func `a claim with an unknown outcome before a crash is a lost attempt`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.store.forgetOutcome { $0.kinds == ["submission_started"] }
        await #expect(throws: TaskStoreError.unknown) { _ = try await world.engine.submitter.step() }
        let next = try await EngineWorld(from: world)
        try await next.engine.recovery.run()
        #expect(try await next.task(id).state == .uncertain)
        #expect(next.provider.sent.isEmpty)
    }

    @Test func `a reply with an unknown commit is stored once`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        world.store.forgetOutcome { $0.kinds == ["submission_accepted"] }
        async let stepping = world.engine.submitter.step()
        await world.time.untilSleeping()
        world.time.advance(by: .seconds(15))
        _ = try await stepping
        #expect(try await world.task(id).remoteID?.text == "r-1")
        #expect(try await world.kinds(of: id) == ["created", "submission_started", "submission_accepted"])
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a waiting client gets an end whose commit was unknown`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, deadline: world.time.now() + .seconds(5)))
        let waiting = Task { try await world.service.task(id, waitingFor: .seconds(300)) }
        await world.time.untilSleeping()
        // A deadline takes effect once the clock has been steady for a minute.
        world.time.advance(by: .seconds(61))
        world.store.forgetOutcome { $0.kinds == ["expired"] }
        _ = try? await world.engine.deadlines.step()
        #expect(try await waiting.value.task.state == .expired)
    }

    @Test(arguments: [false, true])
    func `a submission with an unknown outcome can be repeated with its key`(isStored: Bool) async throws {
        let world = try await EngineWorld()
        let submission = Submission(
            endpoint: "image/make", request: JSONObject([("prompt", "a cat")]), idempotencyKey: "k")
        if isStored {
            world.store.forgetOutcome { $0.isWrite }
        } else {
            world.store.fail(next: 1, with: .unknown)
        }
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.submit(submission) }
        #expect(error?.code == "storage_unknown")
        #expect(error?.message.contains("same idempotency key") == true)
        let isNew = try await world.service.submit(submission).isNew
        #expect(isNew != isStored)
        #expect(try await world.sqlite.counts().map(\.count) == [1])
    }

    // MARK: Failed and unchecked storage

    @Test(arguments: [
        StorageCondition.beingChecked, .failed(.replaced("/state/pollux.sqlite")), .failed(.unsettled),
    ])
    func `nothing is submitted while the storage is not sound`(condition: StorageCondition) async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let id = try await world.submit()
        world.store.find(condition)
        for _ in 0..<3 {
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .queued)
        let reason = await world.service.forecast(of: try await world.task(id)).waitingFor
        #expect(reason?.code == (condition == .beingChecked ? "storage_check" : condition.failure?.code))
        world.store.find(nil)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `running tasks are polled during the storage check`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .items([Record.succeeded("remote-1")]) }
        try await world.insert(.task(1, state: .running))
        world.store.find(.beingChecked)
        _ = try await world.engine.scheduler.step()
        #expect(!world.provider.sent.isEmpty)
    }

    @Test func `readiness reports a failed storage`() async throws {
        let world = try await EngineWorld()
        try await world.engine.endpoints.checkReadiness()
        world.store.find(.beingChecked)
        try await world.engine.endpoints.checkReadiness()
        world.store.find(.failed(.replaced("/state/pollux.sqlite")))
        let error = await #expect(throws: TaskServiceError.self) { try await world.engine.endpoints.checkReadiness() }
        #expect(error?.code == "storage_replaced")
    }

    @Test func `damage found by the check ends the daemon, and other errors are retried`() async throws {
        let world = try await EngineWorld()
        world.store.fail(next: 1, with: .damaged("a page")) {
            if case .read("checkContents") = $0 { true } else { false }
        }
        await #expect(throws: TaskStoreError.damaged("a page")) { try await world.engine.storage.checkContents() }
        world.store.fail(next: 1, with: .locked) { if case .read("checkContents") = $0 { true } else { false } }
        async let checking: Void = world.engine.storage.checkContents()
        await world.time.untilSleeping()
        world.time.advance(by: .seconds(30))
        try await checking
    }
}

extension StorageCondition {
    fileprivate var failure: TaskStoreError? { if case .failed(let error) = self { error } else { nil } }
}
