import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the check before a resubmission, and the readings of given-up attempts.
@Suite(.timeLimit(.minutes(2))) struct ResubmissionTests {
    private let start = ManualTimeSource.start

    private func listed(_ id: String, _ prompt: String) -> JSONValue {
        Record.listed(id, request: ["prompt": .string(prompt)], at: start + .seconds(1))
    }

    /// Creates a queued task with a lost attempt, and a control.
    private func resubmitted(_ world: EngineWorld, how: Resolution) async throws -> TaskID {
        try await world.insert(.task(90, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
        let id = try await world.insert(.task(1, state: .uncertain, onUncertain: .resubmitIfAbsent))
        _ = try await world.sqlite.apply(.resubmitted(how), to: id, at: world.time.now(), nextDueAt: world.time.now())
        return id
    }

    /// Makes the provider accept everything and list the control and these records.
    private func answer(_ world: EngineWorld, listing records: @escaping @Sendable () -> [JSONValue]) {
        let control = listed("control", "a dog")
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard !sent.isPaid else { return .accepted("r-new") }
            let all = [control] + records()
            return .items(Array(all.dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))))
        }
    }

    @Test(arguments: [Resolution.resubmittedByPolicy, .resubmitted])
    func `a record listed while the task was queued is found before the resubmission`(how: Resolution)
        async throws
    {
        let world = try await EngineWorld()
        let id = try await resubmitted(world, how: how)
        // The endpoint was paused for hours.
        world.time.advance(by: .seconds(7_200))
        answer(world) { [listed] in [listed("r-1", "a cat")] }
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .running && task.remoteID?.text == "r-1")
        #expect(task.attempts == 1)
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a possible record prevents a resubmission by policy, but not by a person`() async throws {
        for (how, isSent) in [(Resolution.resubmittedByPolicy, false), (.resubmitted, true)] {
            let world = try await EngineWorld()
            let id = try await resubmitted(world, how: how)
            answer(world) { [listed] in [listed("r-1", "a cat \n")] }
            _ = try await world.engine.submitter.step()
            #expect(world.provider.paid.count == (isSent ? 1 : 0), "\(how)")
            #expect(try await world.task(id).state == (isSent ? .running : .uncertain), "\(how)")
        }
    }

    @Test(arguments: [Resolution.resubmittedByPolicy, .resubmitted])
    func `a record that a tracked task has prevents any resubmission`(how: Resolution) async throws {
        let world = try await EngineWorld()
        let id = try await resubmitted(world, how: how)
        _ = try await world.service.adopt(
            endpoint: "image/make", remoteID: "r-1", labels: [:], priority: 0, deadline: nil)
        answer(world) { [listed] in [listed("r-1", "a cat")] }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a failed reading prevents a resubmission by policy, but not by a person`() async throws {
        for (how, isSent) in [(Resolution.resubmittedByPolicy, false), (.resubmitted, true)] {
            let world = try await EngineWorld()
            let id = try await resubmitted(world, how: how)
            world.provider.play { sent async throws(UpstreamTransportError) in
                sent.isPaid ? .accepted("r-new") : .error("api_error", status: 500)
            }
            _ = try await world.engine.submitter.step()
            #expect(world.provider.paid.count == (isSent ? 1 : 0), "\(how)")
            #expect(try await world.task(id).state == (isSent ? .running : .uncertain), "\(how)")
        }
    }

    @Test func `the limit of tasks in flight includes resubmissions`() async throws {
        var limits = EngineLimits()
        limits.maxInFlight = 1
        let world = try await EngineWorld(limits: limits)
        let first = try await resubmitted(world, how: .resubmitted)
        let second = try await world.submit()
        answer(world) { [] }
        _ = try await world.engine.submitter.step()
        let states = [try await world.task(first).state, try await world.task(second).state]
        #expect(states.filter { $0 == .running }.count == 1)
        #expect(world.provider.paid.count == 1)
    }

    // MARK: Given-up attempts

    /// Runs the reconciler at the due readings for that long.
    private func look(_ world: EngineWorld, for duration: Duration) async throws {
        let end = world.time.now() + duration
        while world.time.now() <= end {
            _ = try await world.engine.reconciler.step()
            let next = try await world.sqlite.nextGivenUpReading(of: "image") ?? end + .seconds(1)
            world.time.set(to: max(next, world.time.now() + .seconds(1)))
        }
    }

    @Test func `a late record of a resubmitted task is logged as billed twice`() async throws {
        let world = try await EngineWorld()
        let id = try await resubmitted(world, how: .resubmitted)
        answer(world) { [] }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).remoteID?.text == "r-new")
        let own = Record.listed("r-new", request: ["prompt": "a cat"], at: start + .seconds(2))
        answer(world) { [listed] in [own, listed("r-late", "a cat")] }
        try await look(world, for: .seconds(90_000))
        let late = try await world.sqlite.events(of: id, after: 0, limit: 100).filter { $0.entry.kind == "late_record" }
        #expect(late.count == 1)
        #expect(late.first?.entry.detail["remote_id"] == "r-late")
        #expect(late.first?.entry.detail["billed_twice"] == true)
        #expect(try await world.task(id).remoteID?.text == "r-new")
        // The second result can be fetched too.
        let tracked = try await world.service.adopt(
            endpoint: "image/make", remoteID: "r-late", labels: [:], priority: 0, deadline: nil)
        #expect(tracked.isNew && tracked.task.task.id != id)
    }

    @Test func `a late record after a confirmed refusal gives the task its id, and it can be reopened`()
        async throws
    {
        let world = try await EngineWorld()
        try await world.insert(.task(90, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
        let id = try await world.insert(.task(1, state: .uncertain))
        let refusal = TaskFailure(code: "api_error", message: "Upstream.")
        _ = try await world.sqlite.apply(
            .givenUp(refusal, .refusalConfirmed), to: id, at: world.time.now(), nextDueAt: nil)
        answer(world) { [listed] in [listed("r-late", "a cat")] }
        try await look(world, for: .seconds(400))
        #expect(try await world.task(id).state == .failed)
        #expect(try await world.task(id).remoteID?.text == "r-late")
        let reopened = try await world.service.reopen(id)
        #expect(reopened.task.state == .running && reopened.task.remoteID?.text == "r-late")
    }

    @Test func `given-up attempts of a service share five complete readings in a day`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(90, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
        for number in 1...3 {
            let id = try await world.insert(.task(number, state: .uncertain))
            _ = try await world.sqlite.apply(
                .givenUp(.submissionLost(because: "it was given up"), .givenUp), to: id, at: start, nextDueAt: nil)
        }
        world.provider.enqueue(.error("api_error", status: 500))
        answer(world) { [] }
        try await look(world, for: .seconds(100_000))
        // Each complete reading takes three requests: the control, the control again, and the empty page.
        #expect(world.provider.sent.count == 1 + 5 * 3)
        #expect(try await world.sqlite.nextGivenUpReading(of: "image") == nil)
    }
}
