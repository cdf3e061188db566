import ProviderCatalog
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

/// What the engine does while nobody can say what is stored, or nothing can be.
@Suite(.timeLimit(.minutes(2))) struct StorageTests {
    // MARK: Commits of which nobody knows

    @Test(arguments: [false, true])
    func `a claim of which nobody knows sends nothing, and the task goes out once later`(isStored: Bool) async throws {
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

    @Test func `a claim of which nobody knows, before a crash, is a lost attempt`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.store.forgetOutcome { $0.kinds == ["submission_started"] }
        await #expect(throws: TaskStoreError.unknown) { _ = try await world.engine.submitter.step() }
        let next = try await EngineWorld(from: world)
        try await next.engine.recovery.run()
        #expect(try await next.task(id).state == .uncertain)
        #expect(next.provider.sent.isEmpty)
    }

    @Test func `a reply whose commit nobody knows of is written once`() async throws {
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

    @Test func `a client that waits hears of an end whose commit nobody knew of`() async throws {
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
    func `a submission of which nobody knows is repeated with its key, and is one task`(isStored: Bool) async throws {
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

    // MARK: Storage that is gone, or still being checked

    @Test(arguments: [
        StorageCondition.beingChecked, .failed(.replaced("/state/pollux.sqlite")), .failed(.unsettled),
    ])
    func `nothing is paid for on the word of a storage that is not sound`(condition: StorageCondition) async throws {
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

    @Test func `while it is being checked, what runs is asked for`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .items([Record.succeeded("remote-1")]) }
        try await world.insert(.task(1, state: .running))
        world.store.find(.beingChecked)
        _ = try await world.engine.scheduler.step()
        #expect(!world.provider.sent.isEmpty)
    }

    @Test func `readiness says what is wrong with the storage`() async throws {
        let world = try await EngineWorld()
        try await world.engine.endpoints.checkReadiness()
        world.store.find(.beingChecked)
        try await world.engine.endpoints.checkReadiness()
        world.store.find(.failed(.replaced("/state/pollux.sqlite")))
        let error = await #expect(throws: TaskServiceError.self) { try await world.engine.endpoints.checkReadiness() }
        #expect(error?.code == "storage_replaced")
    }

    @Test func `damage that is found beside the loops ends the daemon, other trouble does not`() async throws {
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
