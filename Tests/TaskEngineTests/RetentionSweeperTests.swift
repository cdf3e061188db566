import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite struct RetentionSweeperTests {
    private func policy(ended: Duration) -> RetentionPolicy {
        var policy = RetentionPolicy()
        policy.ended = ended
        return policy
    }

    /// A submission with an idempotency key.
    private func submission(_ prompt: String) -> Submission {
        Submission(
            endpoint: "image/make", request: JSONObject([("prompt", .string(prompt))]), idempotencyKey: "k")
    }

    private func ended(in world: EngineWorld) async throws -> TaskID {
        let id = try await world.service.submit(submission("a cat")).task.task.id
        _ = try await world.service.cancel(id)
        return id
    }

    @Test func `without a policy nothing is removed until a reload sets one`() async throws {
        let world = try await EngineWorld()
        let id = try await ended(in: world)
        world.time.advance(by: .seconds(700))
        #expect(try await world.engine.sweeper.step() >= world.time.now() + .seconds(60))
        #expect(try await world.engine.retention.prune(isDryRun: true) == nil)
        #expect(try await world.task(id).removed == nil)
        world.reload { $0.retention = policy(ended: .seconds(600)) }
        for _ in 1...5 {
            _ = try await world.engine.sweeper.step()
            world.time.advance(by: .seconds(1))
        }
        #expect(try await world.task(id).removed != nil)
    }

    @Test func `a running sweep ends when its policy is replaced`() async throws {
        let world = try await EngineWorld(retention: policy(ended: .seconds(60)))
        var ids: [TaskID] = []
        for number in 1...120 {
            let id = try await world.submit("image/make", JSONObject([("prompt", .string("\(number)"))]))
            _ = try await world.service.cancel(id)
            ids.append(id)
        }
        world.time.advance(by: .seconds(700))
        // This is the first of several commits.
        _ = try await world.engine.sweeper.step()
        world.reload { $0.retention = policy(ended: .seconds(86_400)) }
        for _ in 1...10 {
            world.time.advance(by: .seconds(1))
            _ = try await world.engine.sweeper.step()
        }
        var removed = 0
        for id in ids where try await world.task(id).removed != nil { removed += 1 }
        #expect(removed > 0 && removed < ids.count)
    }

    @Test func `a task with an unsettled attempt cannot be retried`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .uncertain))
        let now = world.time.now()
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: now, nextDueAt: now)
        _ = try await world.service.cancel(id)
        let error = await #expect(throws: TaskServiceError.self) { try await world.service.retry(id, number: 1) }
        #expect(error?.code == "not_settled")
    }

    @Test func `the sweeper removes old tasks, and their key still finds them`() async throws {
        let world = try await EngineWorld(retention: policy(ended: .seconds(600)))
        let id = try await ended(in: world)
        world.time.advance(by: .seconds(300))
        _ = try await world.engine.sweeper.step()
        #expect(try await world.task(id).removed == nil)
        world.time.advance(by: .seconds(400))
        for _ in 1...5 {
            _ = try await world.engine.sweeper.step()
            world.time.advance(by: .seconds(1))
        }
        #expect(try await world.task(id).isStub)
        let again = try await world.service.submit(submission("a cat"))
        #expect(again.task.task.id == id && !again.isNew && again.task.task.isStub)
        let error = await #expect(throws: TaskServiceError.self) {
            try await world.service.submit(submission("a dog"))
        }
        guard case .keyConflict(_, let existing, let differences) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(existing == id && differences.map(\.field) == ["request"])
    }

    private func stubPolicy() -> RetentionPolicy {
        var policy = policy(ended: .seconds(60))
        policy.idempotencyKeys = .seconds(86_400)
        policy.stubs = .seconds(86_400)
        return policy
    }

    /// Inserts a stub that may be removed, and a newer task.
    private func oldStub(in world: EngineWorld) async throws -> TaskID {
        let id = try await ended(in: world)
        try await world.submit()
        try await world.engine.retention.delete(id)
        world.time.advance(by: .seconds(86_401))
        return id
    }

    @Test func `the sweeper removes stubs only after the provider's list has been read`() async throws {
        let world = try await EngineWorld(retention: stubPolicy())
        let id = try await oldStub(in: world)
        let check = world.engine.reconciler.worker.starts.check
        let endpoint = try await world.task(id).endpoint
        check.begin(
            [endpoint],
            in: StartCheck.Scope(
                since: world.time.now(), startedAt: world.time.now(), mark: try await world.sqlite.mark()))
        func sweep() async throws {
            for _ in 1...10 {
                _ = try await world.engine.sweeper.step()
                world.time.advance(by: .seconds(60))
            }
        }
        try await sweep()
        #expect(try await world.engine.retention.prune(isDryRun: false)?.stubs == 0)
        #expect(try await world.sqlite.task(id) != nil)
        check.end([endpoint])
        try await sweep()
        #expect(try await world.sqlite.task(id) == nil)
    }

    @Test func `a submission makes a new task if its key is removed at the same moment`() async throws {
        let world = try await EngineWorld(retention: stubPolicy())
        let id = try await oldStub(in: world)
        world.store.afterApply { [retention = world.engine.retention] call in
            guard case .insert = call else { return }
            _ = try? await retention.prune(isDryRun: false)
        }
        let again = try await world.service.submit(submission("a cat"))
        #expect(again.isNew && again.task.task.id != id)
        #expect(try await world.sqlite.task(id) == nil)
    }

    @Test func `the sweeper waits while the clock is unsteady, and between two sweeps`() async throws {
        let world = try await EngineWorld(retention: policy(ended: .seconds(100)))
        let id = try await ended(in: world)
        world.time.setWallClock(by: .seconds(3_600))
        _ = try await world.engine.sweeper.step()
        _ = try await world.engine.sweeper.step()
        #expect(try await world.task(id).removed == nil)
        world.time.advance(by: .seconds(61))
        var next = world.time.now()
        while next - world.time.now() < .seconds(1) { next = try await world.engine.sweeper.step() }
        #expect(try await world.task(id).isStub)
        // A tenth of the shortest retention time.
        #expect(next == world.time.now() + .seconds(10))
        #expect(try await world.engine.sweeper.step() == next)
    }

    @Test func `a dry run of prune has the counts of the real one`() async throws {
        let world = try await EngineWorld(retention: policy(ended: .seconds(60)))
        let id = try await ended(in: world)
        world.time.advance(by: .seconds(90))
        let counted = try #require(try await world.engine.retention.prune(isDryRun: true))
        #expect(try await world.task(id).removed == nil)
        let removed = try #require(try await world.engine.retention.prune(isDryRun: false))
        #expect(counted == removed && removed.tasks == 1 && removed.isComplete)
        #expect(try await world.task(id).isStub)
        #expect(try await world.engine.retention.prune(isDryRun: false)?.tasks == 0)
    }

    @Test func `an ended task can be deleted, repeatedly, but not an open or pinned one`() async throws {
        let world = try await EngineWorld()
        let open = try await world.submit()
        let ended = try await ended(in: world)
        func code(_ body: () async throws -> Void) async -> String? {
            do {
                try await body()
                return nil
            } catch { return (error as? TaskServiceError)?.code }
        }
        let retention = world.engine.retention
        #expect(await code { try await retention.delete(open) } == "not_ended")
        try await retention.pin(ended, true)
        #expect(await code { try await retention.delete(ended) } == "pinned")
        try await retention.pin(ended, false)
        for _ in 1...2 { try await retention.delete(ended) }
        #expect(try await world.task(ended).isStub)
        #expect(await code { try await retention.pin(ended, true) } == "details_removed")
        #expect(await code { try await retention.delete(TrackedTask.task(9).id) } == "task_not_found")
        #expect(await code { _ = try await world.service.reopen(ended) } == "not_reopenable")
    }

    @Test func `reopening a deleted task fails with details_removed`() async throws {
        let world = try await EngineWorld()
        var task = TrackedTask.task(1, state: .cancelled, remoteID: "r")
        task.attempts = 1
        let id = try await world.insert(task)
        try await world.engine.retention.delete(id)
        await #expect {
            try await world.service.reopen(id)
        } throws: { error in
            (error as? TaskServiceError)?.code == "details_removed"
        }
        let tracked = try await world.service.adopt(
            endpoint: "image/make", remoteID: "r", labels: [:], priority: 0, deadline: nil)
        #expect(tracked.task.task.id == id && !tracked.isNew)
    }
}
