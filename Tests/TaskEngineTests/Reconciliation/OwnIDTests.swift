import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests endpoints that accept a client id.
@Suite(.timeLimit(.minutes(2))) struct OwnIDTests {
    /// A definition with a list, and one without.
    private static let listed = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        services:
          image:
            listing: documented
            endpoints: {make: {own_id: task_id, record_type: make, artefacts: [/response/image_url]}}
        """
    private static let unlisted = listed.replacing("listing: documented", with: "listing: none")

    private func uncertain(_ number: Int, policy: UncertainPolicy = .hold) -> TrackedTask {
        .task(number, state: .uncertain, onUncertain: policy)
    }

    private func look(_ world: EngineWorld, for duration: Duration) async throws {
        let end = world.time.now() + duration
        while world.time.now() <= end {
            let comeBack = try await world.engine.reconciler.step()
            let next = try await world.sqlite.nextDue(in: .uncertain, of: "image") ?? end + .seconds(1)
            world.time.set(to: max(comeBack < end ? comeBack : next, next, world.time.now() + .milliseconds(1)))
        }
    }

    @Test func `a submission has the task's id unless the request has one`() async throws {
        let world = try await EngineWorld(definition: Self.listed)
        let ours = try await world.submit()
        let theirs = try await world.submit("image/make", JSONObject([("prompt", "a cat"), ("task_id", "mine")]))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .accepted(sent.body["task_id"]?.string ?? "none")
        }
        for _ in 0..<3 { _ = try await world.engine.submitter.step() }
        #expect(try await world.task(ours).remoteID?.text == ours.text)
        #expect(try await world.task(theirs).remoteID?.text == "mine")
    }

    @Test(arguments: [listed, unlisted])
    func `a lost submission is found by its id without the list`(definition: String) async throws {
        let world = try await EngineWorld(definition: definition)
        let id = try await world.insert(uncertain(1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            .json(["id": sent.body["id"] ?? .null, "status": "running", "trace_id": "t-1", "request": [:]])
        }
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.remoteID?.text == id.text)
        #expect(task.traceID == "t-1")
        #expect(task.resolution == .foundByOwnID)
        #expect(world.provider.sent.count == 1)
    }

    @Test func `without a list absence under the id is proof`() async throws {
        let world = try await EngineWorld(definition: Self.unlisted)
        let held = try await world.insert(uncertain(1))
        let sent = try await world.insert(uncertain(2, policy: .resubmitIfAbsent))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(sent).state == .uncertain)
        try await look(world, for: .seconds(300))
        #expect(try await world.task(held).state == .uncertain)
        #expect(try await world.task(sent).state == .queued)
    }

    @Test func `each of two equal requests gets the record with its id`() async throws {
        let world = try await EngineWorld(definition: Self.listed)
        // The first was not accepted, the reply to the second was lost. Ids are returned without hyphens.
        let ids = [
            try await world.insert(uncertain(1, policy: .resubmitIfAbsent)),
            try await world.insert(uncertain(2, policy: .resubmitIfAbsent)),
        ]
        let plain = ids[1].text.replacing("-", with: "")
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isListing {
                return .items([
                    Record.listed(plain, request: ["prompt": "a cat"], at: ManualTimeSource.start, type: "make")
                ])
            }
            return sent.body["id"]?.string == ids[1].text
                ? .json(["id": .string(plain), "status": "running", "request": ["prompt": "a cat"]]) : .json([:])
        }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(ids[0]).remoteID == nil)
        #expect(try await world.task(ids[1]).remoteID?.text.replacing("-", with: "") == plain)
        #expect(try await world.task(ids[1]).state == .running)
    }

    @Test func `an id that another task has does not resolve a task, and is not polled more often`() async throws {
        let world = try await EngineWorld(definition: Self.listed)
        let request: JSONValue = ["prompt": "a cat", "task_id": "mine"]
        try await world.insert(.task(5, state: .running, remoteID: "mine"))
        let ids = [
            try await world.insert(uncertain(1, policy: .resubmitIfAbsent), request: request),
            try await world.insert(uncertain(2, policy: .resubmitIfAbsent), request: request),
        ]
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isListing
                ? .items([])
                : .json(["id": "mine", "status": "running", "request": ["prompt": "a cat", "task_id": "mine"]])
        }
        try await look(world, for: .seconds(600))
        for id in ids { #expect(try await world.task(id).state == .uncertain) }
        #expect(world.provider.sent.count < 100)
    }

    @Test func `only one of two tasks with the same id is found`() async throws {
        let world = try await EngineWorld(definition: Self.unlisted)
        let request: JSONValue = ["prompt": "a cat", "task_id": "mine"]
        let ids = [
            try await world.insert(uncertain(1), request: request),
            try await world.insert(uncertain(2), request: request),
        ]
        world.provider.play { _ async throws(UpstreamTransportError) in
            .json(["id": "mine", "status": "running", "request": ["prompt": "a cat", "task_id": "mine"]])
        }
        _ = try await world.engine.reconciler.step()
        var states: [TaskState] = []
        for id in ids { states.append(try await world.task(id).state) }
        #expect(Set(states) == [.running, .uncertain])
    }

    @Test func `a task with an unusable id does not block others`() async throws {
        let world = try await EngineWorld(definition: Self.unlisted)
        let odd = try await world.insert(
            uncertain(1, policy: .resubmitIfAbsent), request: ["prompt": "a cat", "task_id": "two words"])
        let stuck = try await world.insert(uncertain(2, policy: .resubmitIfAbsent))
        let known = try await world.insert(uncertain(3))
        let gone = try await world.insert(uncertain(4, policy: .resubmitIfAbsent))
        world.provider.play { sent async throws(UpstreamTransportError) in
            switch sent.body["id"]?.string {
            case stuck.text: .error("api_error", status: 500)
            case known.text: .json(["id": .string(known.text), "status": "running", "request": [:]])
            default: .json([:])
            }
        }
        try await look(world, for: .seconds(900))
        #expect(try await world.task(known).remoteID?.text == known.text)
        #expect(try await world.task(gone).state == .queued)
        #expect(try await world.task(odd).state == .uncertain)
        #expect(try await world.task(stuck).state == .uncertain)
    }

    @Test func `a failed query by id does not prove absence`() async throws {
        let world = try await EngineWorld(definition: Self.unlisted)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        world.provider.play { _ async throws(UpstreamTransportError) in .text("<html>", status: 502) }
        try await look(world, for: .seconds(600))
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
    }

    @Test func `a refused second attempt is looked up before it counts as refused`() async throws {
        let world = try await EngineWorld(definition: Self.listed)
        let id = try await world.submit(onUncertain: .resubmitIfAbsent)
        world.provider.enqueue(.interrupted("reset"))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        _ = try await world.service.resolve(id, .resubmit)
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard sent.isPaid else { return sent.isListing ? .items([]) : .json([:]) }
            return .json(["error": ["code": "bad_request", "message": "task_id exists"]], status: 400)
        }
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isListing { throw .interrupted("reset") }
            return .json(["id": .string(id.text), "status": "running", "request": [:]])
        }
        world.time.advance(by: .seconds(5))
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .running)
        #expect(world.provider.paid.count == 2)
    }

    @Test func `a listed record with another id does not resolve the task and is shown`() async throws {
        let world = try await EngineWorld(definition: Self.listed)
        let id = try await world.insert(uncertain(1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard sent.body["action"]?.string == "retrieve_batch" else { return .json([:]) }
            let request: JSONValue = ["prompt": "a cat", "task_id": "somebody-else's"]
            return .items([Record.listed("r-1", request: request, at: ManualTimeSource.start + .seconds(1))])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.possibleIDs.map(\.text) == ["r-1"])
    }
}
