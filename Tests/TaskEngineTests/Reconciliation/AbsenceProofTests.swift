import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests when a list proves that the provider does not have a task.
@Suite(.timeLimit(.minutes(2))) struct AbsenceProofTests: ReconcilerFixture {
    // MARK: Proof of absence

    @Test func `the policy hold never ends a task`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        try await look(world, for: .seconds(86_400))
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(world.provider.paid.isEmpty)
        // At most a minute apart for ten minutes, then at growing gaps.
        #expect(world.provider.sent.count > 15 && world.provider.sent.count < 60)
        #expect(await world.service.forecast(of: task).waitingFor?.code == "lookup")
    }

    @Test func `the policy resubmit_if_absent resubmits after three readings over two minutes`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        list(world) { [control] }
        let start = world.time.now()
        while try await world.task(id).state == .uncertain {
            _ = try await world.engine.reconciler.step()
            world.time.set(to: max(try await world.task(id).nextDueAt ?? start, world.time.now()))
        }
        #expect(world.time.now() - start >= .seconds(120))
        #expect(world.time.now() - start <= .seconds(200))
        #expect(try await world.task(id).state == .queued)
        let read = world.provider.sent.count
        #expect(read >= 3)
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard !sent.isPaid else { return .accepted("r-2") }
            return .items(Array([control].dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))))
        }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.sent.count > read + 1, "the list is read again before the resubmission")
        #expect(try await world.task(id).resolution == .resubmittedByPolicy)
        #expect(try await world.task(id).attempts == 2)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `the policy fail gives up after ten minutes without proof`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, policy: .fail))
        list(world) { [] }
        try await look(world, for: .seconds(590))
        #expect(try await world.task(id).state == .uncertain)
        try await look(world, for: .seconds(120))
        #expect(try await world.task(id).failure?.code == "submission_lost")
        #expect(try await world.task(id).resolution == .givenUpByPolicy)
    }

    @Test func `the policy fail gives up at once without a list`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, "single/make", policy: .fail))
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).failure?.code == "submission_lost")
        #expect(world.provider.sent.isEmpty)
    }

    @Test func `a probable refusal fails with the provider's error once its absence is proven`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.error("api_error", status: 500))
        let control = try await insertControl(world)
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        list(world) { [control] }
        try await look(world, for: .seconds(200))
        let task = try await world.task(id)
        #expect(task.state == .failed)
        #expect(task.failure?.code == "api_error")
        #expect(task.resolution == .refusalConfirmed)
    }

    @Test(arguments: [
        UpstreamReply.text("<html>", status: 502), .error("rate_limited", status: 429),
        .error("forbidden", status: 403),
    ])
    func `a failed reading does not count and slows down the service`(reply: UpstreamReply) async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, policy: .fail))
        world.provider.play { _ async throws(UpstreamTransportError) in reply }
        try await look(world, for: .seconds(60))
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
        let asked = world.provider.sent.count
        _ = try await world.engine.reconciler.step()
        #expect(world.provider.sent.count <= asked + 1)
    }

    // MARK: Conditions of the proof

    private func staysUncertain(
        _ world: EngineWorld, _ task: TrackedTask, controlAt created: Timestamp? = nil, date: Duration? = nil
    ) async throws -> Bool {
        let id = try await world.insert(task)
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            let records = created.map { [Record.listed("control", request: ["prompt": "a dog"], at: $0)] } ?? []
            let page = records.dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))
            return UpstreamReply(
                status: 200, date: date.map { world.time.now() + $0 },
                body: (["items": .array(Array(page))] as JSONValue).utf8)
        }
        try await look(world, for: .seconds(900))
        return try await world.task(id).state == .uncertain
    }

    @Test func `a list with a different clock does not prove absence`() async throws {
        // The difference shows in the Date of the reply …
        for (skew, isProof) in [(-180, false), (-20, true)] {
            let world = try await EngineWorld()
            try await world.insert(.task(2, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start, date: .seconds(skew))
            #expect(stays != isProof, "\(skew)")
        }
        // … or in the time of the control's record.
        for (skew, isProof) in [(180, false), (-180, false), (5, true)] {
            let world = try await EngineWorld()
            try await world.insert(.task(2, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start + .seconds(skew))
            #expect(stays != isProof, "\(skew)")
        }
    }

    @Test func `a list that shows the control with another request does not prove absence`() async throws {
        for (sent, isProof) in [("a dog", true), ("a dog ", false)] {
            let world = try await EngineWorld()
            try await world.insert(
                .task(2, state: .succeeded, remoteID: "control"), request: ["prompt": .string(sent), "async": true])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start)
            #expect(stays != isProof, "\(sent)")
        }
    }

    @Test func `a clock jump widens the time window, and a possible record in it prevents the proof`() async throws {
        for (seconds, isProof) in [(300, false), (900, true)] {
            let world = try await EngineWorld()
            var task = uncertain(1, policy: .resubmitIfAbsent)
            task.attempt?.clockJumped(by: .seconds(600))
            let control = try await insertControl(world)
            let id = try await world.insert(task)
            let later = Record.listed("r-1", request: ["prompt": "a cat \n"], at: start + .seconds(seconds))
            list(world) { [control, later] }
            // The clock is checked often enough to prove that it is steady.
            for _ in 0..<60 {
                _ = try await world.engine.reconciler.step()
                world.time.advance(by: .seconds(30))
            }
            #expect(try await world.task(id).state == (isProof ? .queued : .uncertain), "\(seconds)")
        }
    }

    @Test func `the time window extends to the end of a long attempt`() async throws {
        let world = try await EngineWorld()
        var task = uncertain(1)
        task.attempt?.endedAt = start + .seconds(3_600)
        let id = try await world.insert(task)
        world.time.set(to: start + .seconds(3_601))
        world.provider.play { [start] _ async throws(UpstreamTransportError) in
            .items([Record.listed("r-1", request: ["prompt": "a cat"], at: start + .seconds(3_590))])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-1")
    }

    /// A declared endpoint with a paged list.
    private static let paged = """
        provider: own
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        endpoints:
          image/make:
            submit: {path: "/{+model}/make"}
            accepted: {id: /id}
            poll: {path: "/make/{id}"}
            list: {path: "/make", query: {after: "{from}", skip: "{offset}"}, trust: documented, time: seconds, items: /data, id: /id, created_at: /at, request: /input}
            results: [/url]
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
        """

    private func paged(_ items: [JSONValue], skip: Int) -> UpstreamReply {
        .json(["data": .array(Array(items.dropFirst(skip).prefix(10)))])
    }

    private func item(_ id: String, _ prompt: String) -> JSONValue {
        let at = JSONValue.number(JSONNumber(Int64(start.unixSeconds) + 1))
        return ["id": .string(id), "at": at, "input": ["prompt": .string(prompt)]]
    }

    private static func skip(in sent: SentRequest) -> Int {
        sent.request.path.split(separator: "skip=").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
    }

    @Test func `a list is read to its empty page and matched by the members of the body`() async throws {
        let world = try await EngineWorld(definition: Self.paged)
        // The model was sent in the path, so no record echoes it.
        let id = try await world.insert(uncertain(1, policy: .fail), request: ["model": "v1", "prompt": "a cat"])
        let items = (0..<10).map { item("r-\($0)", "a dog") } + [item("r-10", "a cat")]
        world.provider.play { sent async throws(UpstreamTransportError) in paged(items, skip: Self.skip(in: sent)) }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(id).remoteID?.text == "r-10")
    }

    @Test(arguments: [false, true])
    func `a list with an unreadable item does not prove absence`(isReadable: Bool) async throws {
        let world = try await EngineWorld(definition: Self.paged)
        try await world.insert(
            .task(90, state: .succeeded, remoteID: "r-1"), request: ["model": "v1", "prompt": "a dog"])
        let id = try await world.insert(
            uncertain(1, policy: .resubmitIfAbsent), request: ["model": "v1", "prompt": "a cat"])
        try await world.insert(.task(91, state: .succeeded, remoteID: "r-2"))
        let items: [JSONValue] = [item("r-1", "a dog"), isReadable ? item("r-2", "a dog") : ["name": "r-2"]]
        world.provider.play { sent async throws(UpstreamTransportError) in paged(items, skip: Self.skip(in: sent)) }
        try await look(world, for: .seconds(900))
        #expect(try await world.task(id).state == (isReadable ? .queued : .uncertain))
    }

    @Test(arguments: ["documented", "vendor_code"])
    func `a list without a control of the endpoint does not prove absence`(listing: String) async throws {
        let definition = EngineWorld.definition.replacing("listing: documented", with: "listing: \(listing)")
        #expect(
            try await staysUncertain(
                try await EngineWorld(definition: definition), uncertain(1, policy: .resubmitIfAbsent)))
        for (endpoint, isProof) in [("image/make", true), ("image/edit", false)] {
            let world = try await EngineWorld(definition: definition)
            _ = try await insertControl(world, endpoint: endpoint)
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start)
            #expect(stays != isProof, "\(endpoint)")
        }
    }

    @Test func `a control must have every member of the lost request`() async throws {
        for (members, isProof) in [(["prompt": "a dog", "n": 2], true), (["prompt": "a dog"], false)]
            as [(JSONValue, Bool)]
        {
            let world = try await EngineWorld()
            let control = try await insertControl(world, members)
            let id = try await world.insert(
                uncertain(1, policy: .resubmitIfAbsent), request: ["prompt": "a cat", "n": 1])
            list(world) { [control] }
            try await look(world, for: .seconds(900))
            #expect(try await world.task(id).state == (isProof ? .queued : .uncertain), "\(members.text)")
        }
    }

    @Test(arguments: ["trimmed", "tracked", "adopted"])
    func `a record that may be the task's prevents the proof and is shown to the user`(how: String) async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let prompt: JSONValue = how == "trimmed" ? "a cat \n" : "a cat"
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent), request: ["prompt": prompt])
        if how == "tracked" {
            _ = try await world.service.adopt(
                endpoint: "image/make", remoteID: "r-1", labels: [:], priority: 0, deadline: nil)
        } else if how == "adopted" {
            let other = try await world.insert(uncertain(2), request: ["prompt": "another one"])
            _ = try await world.service.resolve(other, .adopt(remoteID: "r-1"))
        }
        list(world) { [listed] in [control, listed("r-1", ["prompt": "a cat"])] }
        try await look(world, for: .seconds(900))
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(task.attempt?.absentReadings == 0)
        #expect(task.attempt?.possibleIDs.map(\.text) == ["r-1"])
        let reason = await world.service.forecast(of: task).waitingFor
        #expect(reason?.code == "person")
        #expect(reason?.message.contains("r-1") == true)
        let events = try await world.sqlite.events(of: id, after: 0, limit: 100).filter {
            $0.entry.kind == "lookup_undecided"
        }
        #expect(events.map { $0.entry.detail["possible"] } == [["r-1"]], "the finding is logged once")
    }

    @Test func `the list of another endpoint does not prove absence`() async throws {
        func endpoint(_ name: String) -> String {
            """
              image/\(name):
                submit: {path: "/\(name)"}
                accepted: {id: /id}
                poll: {path: "/\(name)/{id}"}
                list: {path: "/\(name)", query: {after: "{from}"}, time: seconds, items: /data, id: /id, created_at: /at, request: /input}
                results: [/url]
                state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
            """
        }
        let world = try await EngineWorld(
            definition: """
                provider: own
                default: true
                base_url: http://127.0.0.1:1/v1
                max_requests_per_second: 100
                endpoints:
                \(endpoint("make"))
                \(endpoint("edit"))
                """)
        let make = try await world.insert(uncertain(1, "image/make", policy: .resubmitIfAbsent))
        let edit = try await world.insert(uncertain(2, "image/edit", policy: .resubmitIfAbsent))
        // Only the list of `edit` is readable, and it shows its task.
        let at = JSONValue.number(JSONNumber(Int64(start.unixSeconds) + 1))
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.request.path.hasPrefix("/edit")
                ? .json(["data": [["id": "r-2", "at": at, "input": ["prompt": "a cat"]]]])
                : .error("api_error", status: 500)
        }
        try await look(world, for: .seconds(900))
        #expect(try await world.task(edit).remoteID?.text == "r-2")
        #expect(try await world.task(make).state == .uncertain)
        #expect(try await world.task(make).attempt?.absentReadings == 0)
    }

    @Test func `a reading that fails on a later page does not count`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let page = (0..<50).map { listed("r-\($0)", ["prompt": "a dog"]) }
        world.provider.enqueue(.items(page), .text("<html>", status: 502))
        _ = try await world.passingTime { try await world.engine.reconciler.step() }
        #expect(try await world.task(id).attempt?.absentReadings == 0)
    }
}
