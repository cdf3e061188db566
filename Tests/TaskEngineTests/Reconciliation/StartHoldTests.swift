import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct StartHoldTests {
    /// A witness of another database.
    private struct ForeignWitness: Witness {
        func read() -> WitnessStatement? {
            WitnessStatement(epoch: "other", sequence: 0, at: ManualTimeSource.start, isOriginal: false)
        }
        func write(_ statement: WitnessStatement) async throws(TaskStoreError) {}
        func refresh(_ statement: WitnessStatement) async {}
    }

    /// A witness on a full disk.
    private struct FullDiskWitness: Witness {
        func read() -> WitnessStatement? { nil }
        func write(_ statement: WitnessStatement) async throws(TaskStoreError) {
            if statement.sequence > 0 { throw .full }
        }
        func refresh(_ statement: WitnessStatement) async {}
    }

    @Test func `a restored copy sends no submissions until a person accepts it`() async throws {
        let world = try await EngineWorld(witness: ForeignWitness())
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
        // Details in a copy may still be needed.
        world.reload { $0.retention.ended = .seconds(60) }
        let error = await #expect(throws: TaskServiceError.self) {
            try await world.engine.retention.prune(isDryRun: false)
        }
        #expect(error?.code == "restored")
        #expect(try await world.engine.restores.accept() == 1)
        #expect(try await world.engine.restores.report() == nil)
        // The old task is looked up again first. The list is empty, and a person has decided.
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

    @Test func `with --hold nothing is submitted until everything is resumed`() async throws {
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
        let world = try await EngineWorld(witness: FullDiskWitness())
        try await world.engine.recovery.run()
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        let task = try await world.task(id)
        #expect(task.state == .queued)
        #expect(task.failure?.code == "not_sent")
    }
}
