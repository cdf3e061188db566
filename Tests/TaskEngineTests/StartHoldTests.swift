import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct StartHoldTests {
    /// A witness that does not fit the database.
    private struct Stranger: Witness {
        func read() -> WitnessStatement? {
            WitnessStatement(epoch: "other", sequence: 0, at: ManualTimeSource.start, isOriginal: false)
        }
        func write(_ statement: WitnessStatement) async throws(TaskStoreError) {}
        func refresh(_ statement: WitnessStatement) async {}
    }

    /// A witness on a full disk.
    private struct FullDisk: Witness {
        func read() -> WitnessStatement? { nil }
        func write(_ statement: WitnessStatement) async throws(TaskStoreError) {
            if statement.sequence > 0 { throw .full }
        }
        func refresh(_ statement: WitnessStatement) async {}
    }

    @Test func `in a copy nothing paid is sent until a person accepts it`() async throws {
        let world = try await EngineWorld(witness: Stranger())
        let old = try await world.insert(.task(1))
        try await world.engine.recovery.run()
        #expect(try await world.task(old).state == .uncertain)
        world.time.advance(by: .seconds(1))
        let new = try await world.submit("image/make", JSONObject([("prompt", "a dog")]))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        #expect(await world.service.forecast(of: try await world.task(new)).waitingFor?.code == "restored")
        let report = try #require(try await world.engine.restores.report())
        #expect(report.uncertain.map(\.id) == [old])
        #expect(report.queued == 1)
        #expect(try await world.engine.endpoints.report().restored != nil)
        // What a copy still has may be needed.
        world.reload { $0.retention.ended = .seconds(60) }
        let error = await #expect(throws: TaskServiceError.self) {
            try await world.engine.retention.prune(isDryRun: false)
        }
        #expect(error?.code == "restored")
        #expect(try await world.engine.restores.accept() == 1)
        #expect(try await world.engine.restores.report() == nil)
        // The old task is looked for once more first; the list shows nothing, and a person has decided.
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted("r-\(sent.body["prompt"]?.string ?? "")") : .items([])
        }
        for _ in 1...3 {
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(5))
        }
        #expect(world.provider.paid.count == 2)
        #expect(try await world.task(old).attempts == 2)
    }

    @Test func `with --hold nothing paid is sent until everything is resumed`() async throws {
        let world = try await EngineWorld(isHeld: true)
        try await world.engine.recovery.run()
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "held")
        try await world.engine.endpoints.resumeAll()
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `an attempt whose witness cannot be written is not sent`() async throws {
        let world = try await EngineWorld(witness: FullDisk())
        try await world.engine.recovery.run()
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        let task = try await world.task(id)
        #expect(task.state == .queued)
        #expect(task.failure?.code == "not_sent")
    }
}
