import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct ReconcilerTests: ReconcilerFixture {
    @Test func `a lost submission is found by its echoed request`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        list(world) { [listed] in [listed("r-9", ["prompt": "a dog"]), listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.remoteID?.text == "r-1")
        #expect(task.resolution == .foundInList)
        let body = try #require(world.provider.queries.first?.body)
        #expect(body["created_at_min"]?.number?.integer.map { $0 <= 1_795_000_000 - 60 } == true)
        #expect(body["created_at_max"]?.number?.integer.map { $0 >= 1_795_000_000 + 60 } == true)
        #expect(body["ids"] == nil)
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a record of another task does not resolve a lost submission`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(5, state: .succeeded, remoteID: "r-1"))
        let id = try await world.insert(uncertain(1))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 1)
    }

    @Test func `one record resolves only one of two equal requests`() async throws {
        let world = try await EngineWorld()
        let ids = [try await world.insert(uncertain(1)), try await world.insert(uncertain(2))]
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        try await look(world, for: .seconds(30))
        var states: [TaskState] = []
        for id in ids { states.append(try await world.task(id).state) }
        #expect(states.filter { $0 == .running }.count == 1)
        #expect(states.filter { $0 == .uncertain }.count == 1)
    }

    @Test func `a record that may belong to a submitting task resolves nothing before its reply`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        try await world.insert(.task(2, state: .submitting))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        try await look(world, for: .seconds(600))
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
    }

    @Test func `all pages of the list are read`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let records = (0..<120).map { listed("r-\($0)", $0 == 119 ? ["prompt": "a cat"] : ["prompt": "a dog"]) }
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records.dropFirst(offset).prefix(50)))
        }
        _ = try await world.engine.reconciler.step()
        // Each later page starts with the last item of the one before: 50, 49, 21 new items, that item, an empty page.
        #expect(world.provider.sent.count == 5)
        #expect(try await world.task(id).remoteID?.text == "r-119")
    }

    @Test func `reading pages respects the provider's rate`() async throws {
        var limits = EngineLimits()
        limits.pollsPerSecond = 2
        let world = try await EngineWorld(limits: limits)
        world.time.advance(by: .seconds(1))
        try await world.insert(uncertain(1))
        let records = (0..<60).map { listed("r-\($0)", ["prompt": "a dog"]) }
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records.dropFirst(offset).prefix(50)))
        }
        async let stepping = world.engine.reconciler.step()
        await world.time.untilSleeping()
        #expect(world.provider.sent.count == 1)
        for count in 2...3 {
            world.time.advance(by: .milliseconds(550))
            await world.time.untilSleeping()
            #expect(world.provider.sent.count == count)
        }
        world.time.advance(by: .milliseconds(550))
        _ = try await stepping
        #expect(world.provider.sent.count == 4)
    }

    @Test func `a record that is listed late is found`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let start = start
        list(world) { [world, listed] in
            world.time.now() > start + .seconds(200) ? [listed("r-1", ["prompt": "a cat"])] : []
        }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(id).state == .running)
        // It is found at most the largest gap later.
        #expect(try await world.task(id).nextDueAt.map { $0 <= start + .seconds(261) } == true)
    }

    @Test(arguments: [50, 1])
    func `a list that ignores the offset does not prove absence`(length: Int) async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        // Always the same page, while the task would be on the next one.
        let page = [control] + (1..<length).map { listed("r-\($0)", ["prompt": "a dog"]) }
        world.provider.play { _ async throws(UpstreamTransportError) in .items(page) }
        try await look(world, for: .seconds(900))
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
        #expect(world.provider.sent.count < 200)
    }

    @Test func `a record on the readable part of a list is found`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let page = (0..<50).map { listed("r-\($0)", $0 == 7 ? ["prompt": "a cat"] : ["prompt": "a dog"]) }
        world.provider.play { _ async throws(UpstreamTransportError) in .items(page) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-7")
    }

    @Test func `a list that is too long does not prove absence and is read at the usual pace`() async throws {
        var limits = EngineLimits()
        limits.listPages = 4
        let world = try await EngineWorld(limits: limits)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items((0..<50).map { Record.listed("r-\(offset + $0)", request: ["prompt": "a dog"], at: nil) })
        }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.sent.count <= 4 * 25)
    }

    @Test func `a list with pages of ten is read to its end`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        list(world, pageCap: 10) { [listed] in
            [control] + (0..<9).map { listed("r-\($0)", ["prompt": "a dog"]) } + [listed("r-10", ["prompt": "a cat"])]
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-10")
    }

    @Test func `a list that changes between two pages is read again`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        // An item is deleted after the first page was read, so that the second page skips one.
        world.provider.play { [world, listed] sent async throws(UpstreamTransportError) in
            var records = [control] + (0..<12).map { listed("r-\($0)", ["prompt": "a dog"]) }
            records.insert(listed("lost", ["prompt": "a cat"]), at: 10)
            if world.provider.sent.count > 1 { records.remove(at: 1) }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records.dropFirst(offset).prefix(10)))
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "lost")
    }

    // MARK: Independence of tasks

    @Test func `an uncertain task of a removed endpoint does not block others`() async throws {
        let world = try await EngineWorld()
        let gone = try await world.insert(uncertain(1, "image/gone"))
        let known = try await world.insert(uncertain(2))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(known).state == .running)
        #expect(try await world.task(gone).state == .uncertain)
    }

    @Test func `a provider without a list gets no list query`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, "single/make"))
        let comeBack = try await world.engine.reconciler.step()
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .uncertain)
        #expect(comeBack > world.time.now())
    }

    @Test func `a look-up that could not be planned is tried again`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        world.store.fail(next: 1, with: .locked) { call in
            if case .read("due") = call { true } else { false }
        }
        _ = try? await world.engine.reconciler.step()
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `a reading that cannot be stored is repeated`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        world.store.fail(next: 1, with: .full) { call in
            if case .write("settle") = call { true } else { false }
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
        world.time.advance(by: .seconds(1))
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .running)
    }
}
