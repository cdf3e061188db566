import ProviderCatalog
import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the reading of a list whose pages fail.
@Suite(.timeLimit(.minutes(2))) struct ListPageTests: ReconcilerFixture {
    /// The list of a provider that fails the requests that `fails` names, by their number from 1.
    private func play(
        _ world: EngineWorld, _ records: @escaping @Sendable () -> [JSONValue], pages: Int = 10,
        failing fails: @escaping @Sendable (Int) -> UpstreamReply?
    ) {
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            if let failure = fails(world.provider.sent.count) { return failure }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records().dropFirst(offset).prefix(pages)))
        }
    }

    private func dogs(_ count: Int, then last: JSONValue) -> [JSONValue] {
        (0..<count).map { listed("r-\($0)", ["prompt": "a dog"]) } + [last]
    }

    @Test func `a list is read to its end although a third of the requests fail`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let records = dogs(200, then: listed("lost", ["prompt": "a cat"]))
        play(world, { records }) { $0 % 3 == 0 ? .text("<html>502</html>", status: 502) : nil }
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        #expect(try await world.task(id).remoteID?.text == "lost")
        // Each later page brings nine new items; the last two show the end. Half as many requests failed.
        #expect(world.provider.sent.count > 30 && world.provider.sent.count < 45)
        let asked = world.provider.sent.compactMap { $0.body["offset"]?.number?.integer ?? 0 }
        #expect(asked == asked.sorted(), "no page is read again from the start")
    }

    @Test func `such a reading proves absence`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        play(world, { [control] }) { $0 % 2 == 0 ? .error("api_error", status: 500) : nil }
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        #expect(try await world.task(id).attempt?.absentReadings == 1)
    }

    @Test func `a page is requested five times at most`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        play(world, { [control] }) { $0 > 1 ? .error("api_error", status: 500) : nil }
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        #expect(world.provider.sent.count == 6)
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
    }

    @Test func `a reading repeats no first page`() async throws {
        let world = try await EngineWorld()
        try await world.insert(uncertain(1))
        play(world, { [] }) { _ in .error("api_error", status: 500) }
        _ = try await world.engine.reconciler.step()
        #expect(world.provider.sent.count == 1)
    }

    @Test func `a page is requested again after the time that the provider asks for`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        try await world.insert(uncertain(1))
        let times = Mutex<[Timestamp]>([])
        play(world, { [control] }) { [world] number in
            times.withLock { $0.append(world.time.now()) }
            return number == 2 ? .error("rate_limited", status: 429, retryAfter: .seconds(40)) : nil
        }
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        let sent = times.withLock { $0 }
        #expect(sent.count == 4)
        #expect(sent[2] - sent[1] >= .seconds(40))
    }

    @Test func `a reading waits five minutes at most`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        try await world.insert(uncertain(1))
        play(world, { [control] }) { number in
            number > 1 ? .error("rate_limited", status: 429, retryAfter: .seconds(120)) : nil
        }
        let start = world.time.now()
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        // Two waits of two minutes; the third would exceed the five.
        #expect(world.provider.sent.count == 4)
        #expect(world.time.now() - start <= .seconds(242))
    }

    @Test(arguments: [
        UpstreamReply.error("forbidden", status: 403), .error("invalid_token", status: 401),
        .error("bad_request", status: 400),
    ])
    func `a page that is refused is not requested again`(reply: UpstreamReply) async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        try await world.insert(uncertain(1))
        play(world, { [control] }) { $0 > 1 ? reply : nil }
        _ = try await world.engine.reconciler.step()
        #expect(world.provider.sent.count == 2)
    }

    @Test func `a page that changed before it was repeated hides no record`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        var records = [control] + (0..<12).map { listed("r-\($0)", ["prompt": "a dog"]) }
        records.insert(listed("lost", ["prompt": "a cat"]), at: 10)
        let (before, after) = (records, Array(records.dropFirst(2)))
        // Two items of the first page are deleted while the second page fails: it would begin behind the lost record.
        play(world, { [world] in world.provider.sent.count > 2 ? after : before }) {
            $0 == 2 ? .text("", status: 504) : nil
        }
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        #expect(try await world.task(id).remoteID?.text == "lost")
    }

    @Test func `a reading ends when the daemon stops`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1))
        play(world, { [control] }) { $0 > 1 ? .error("api_error", status: 500) : nil }
        let stepping = Task { try await world.engine.reconciler.step() }
        await world.time.untilSleeping()
        stepping.cancel()
        _ = try? await stepping.value
        #expect(world.provider.sent.count == 2)
        #expect(try await world.task(id).state == .uncertain)
    }

    /// Three readings prove absence if the last began two minutes after the first, however long each took.
    @Test func `a slow reading counts by its beginning`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        let begun = Mutex<[Timestamp]>([])
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            if offset == 0 { begun.withLock { $0.append(world.time.now()) } }
            if sent.isPaid { return .accepted("r-2") }
            // The end of the list comes after 50 seconds.
            if offset == 1 { await world.time.sleep(until: world.time.now() + .seconds(50)) }
            return .items(Array([control].dropFirst(offset)))
        }
        while try await world.task(id).state == .uncertain {
            _ = try await world.passingTime { try await world.engine.reconciler.step() }
            world.time.advance(by: .seconds(1))
        }
        let times = begun.withLock { $0 }
        let (first, last) = (try #require(times.first), try #require(times.last))
        #expect(last - first >= .seconds(120))
        #expect(times.count >= 3)
    }
}
