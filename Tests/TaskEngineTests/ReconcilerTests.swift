import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct ReconcilerTests {
    private let start = ManualTimeSource.start

    private func uncertain(
        _ number: Int, _ endpoint: String = "image/make", policy: UncertainPolicy = .hold
    ) -> TrackedTask {
        .task(number, state: .uncertain, endpoint: endpoint, onUncertain: policy)
    }

    private func listed(_ id: String, _ request: JSONValue = ["prompt": "a cat"]) -> JSONValue {
        Record.listed(id, request: request, at: start + .seconds(1))
    }

    /// The provider has these in its list, page by page.
    private func list(_ world: EngineWorld, pageCap: Int = 50, _ records: @escaping @Sendable () -> [JSONValue]) {
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records().dropFirst(offset).prefix(pageCap)))
        }
    }

    /// A task that was accepted near the lost ones, and its record: what a list must show to prove anything.
    private func insertControl(
        _ world: EngineWorld, _ request: JSONValue = ["prompt": "a dog"], endpoint: String = "image/make"
    ) async throws -> JSONValue {
        let task = TrackedTask.task(90, state: .succeeded, endpoint: endpoint, remoteID: "control")
        try await world.insert(task, request: request)
        return listed("control", request)
    }

    /// Looks whenever it is time to, for so long.
    private func look(_ world: EngineWorld, for duration: Duration) async throws {
        let end = world.time.now() + duration
        while world.time.now() <= end {
            let comeBack = try await world.engine.reconciler.step()
            let next = try await world.sqlite.nextDue(in: .uncertain, of: "image") ?? end + .seconds(1)
            // A gate that is closed outlasts the due time; work that was claimed says "at once".
            world.time.set(to: max(comeBack < end ? comeBack : next, next, world.time.now() + .milliseconds(1)))
        }
    }

    @Test func `a lost submission is found by the request that the list echoes`() async throws {
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

    @Test func `an id that another task owns is not taken`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(5, state: .succeeded, remoteID: "r-1"))
        let id = try await world.insert(uncertain(1))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 1)
    }

    @Test func `two equal requests and one record leave one of them waiting`() async throws {
        let world = try await EngineWorld()
        let ids = [try await world.insert(uncertain(1)), try await world.insert(uncertain(2))]
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        try await look(world, for: .seconds(30))
        var states: [TaskState] = []
        for id in ids { states.append(try await world.task(id).state) }
        #expect(states.filter { $0 == .running }.count == 1)
        #expect(states.filter { $0 == .uncertain }.count == 1)
    }

    @Test func `a record that may be of a task being sent waits for its reply`() async throws {
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
        // Each page but the first begins with the last item before it: 50, 49, 21 new ones, that item alone, and an empty page.
        #expect(world.provider.sent.count == 5)
        #expect(try await world.task(id).remoteID?.text == "r-119")
    }

    @Test func `pages keep to the rate of the provider`() async throws {
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

    @Test func `a record that appears late is still found`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let start = start
        list(world) { [world, listed] in
            world.time.now() > start + .seconds(200) ? [listed("r-1", ["prompt": "a cat"])] : []
        }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(id).state == .running)
        // At most the largest gap later.
        #expect(try await world.task(id).nextDueAt.map { $0 <= start + .seconds(261) } == true)
    }

    @Test(arguments: [50, 1])
    func `a list that ignores the offset proves no absence`(length: Int) async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        // The same page for ever, while the task stands on the next.
        let page = [control] + (1..<length).map { listed("r-\($0)", ["prompt": "a dog"]) }
        world.provider.play { _ async throws(UpstreamTransportError) in .items(page) }
        try await look(world, for: .seconds(900))
        #expect(try await world.task(id).state == .uncertain)
        #expect(try await world.task(id).attempt?.absentReadings == 0)
        #expect(world.provider.sent.count < 200)
    }

    @Test func `a task on the part of a list that can be read is found`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let page = (0..<50).map { listed("r-\($0)", $0 == 7 ? ["prompt": "a cat"] : ["prompt": "a dog"]) }
        world.provider.play { _ async throws(UpstreamTransportError) in .items(page) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-7")
    }

    @Test func `a list that is too long proves no absence and is not read in a hurry`() async throws {
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

    // MARK: Proof of absence

    @Test func `hold never ends by itself`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        try await look(world, for: .seconds(86_400))
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(world.provider.paid.isEmpty)
        // Within a minute for ten minutes, then less and less often.
        #expect(world.provider.sent.count > 15 && world.provider.sent.count < 60)
        #expect(await world.service.forecast(of: task).waitingFor?.code == "lookup")
    }

    @Test func `resubmit_if_absent sends again after three readings over two minutes`() async throws {
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
        #expect(world.provider.sent.count > read + 1, "it was looked for once more")
        #expect(try await world.task(id).resolution == .resubmittedByPolicy)
        #expect(try await world.task(id).attempts == 2)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `fail ends it after ten minutes of look-ups, without a proof`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, policy: .fail))
        list(world) { [] }
        try await look(world, for: .seconds(590))
        #expect(try await world.task(id).state == .uncertain)
        try await look(world, for: .seconds(120))
        #expect(try await world.task(id).failure?.code == "submission_lost")
        #expect(try await world.task(id).resolution == .givenUpByPolicy)
    }

    @Test func `fail ends it at once where there is nothing to look in`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, "single/make", policy: .fail))
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).failure?.code == "submission_lost")
        #expect(world.provider.sent.isEmpty)
    }

    @Test func `a probable refusal fails with the provider's error once the list does not show it`() async throws {
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
    func `a reading that fails does not count and slows the service`(reply: UpstreamReply) async throws {
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

    // MARK: What an empty place in a list proves

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

    @Test func `a list whose clock differs from ours proves no absence`() async throws {
        // Its own reply says so …
        for (skew, isProof) in [(-180, false), (-20, true)] {
            let world = try await EngineWorld()
            try await world.insert(.task(2, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start, date: .seconds(skew))
            #expect(stays != isProof, "\(skew)")
        }
        // … or a task that was accepted, and stands there at another time.
        for (skew, isProof) in [(180, false), (-180, false), (5, true)] {
            let world = try await EngineWorld()
            try await world.insert(.task(2, state: .succeeded, remoteID: "control"), request: ["prompt": "a dog"])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start + .seconds(skew))
            #expect(stays != isProof, "\(skew)")
        }
    }

    @Test func `a list that shows an accepted task with another request proves no absence`() async throws {
        for (sent, isProof) in [("a dog", true), ("a dog ", false)] {
            let world = try await EngineWorld()
            try await world.insert(
                .task(2, state: .succeeded, remoteID: "control"), request: ["prompt": .string(sent), "async": true])
            let stays = try await staysUncertain(
                world, uncertain(1, policy: .resubmitIfAbsent), controlAt: start)
            #expect(stays != isProof, "\(sent)")
        }
    }

    @Test func `a clock that was set widens the window, and what stands in it prevents the proof`() async throws {
        for (seconds, isProof) in [(300, false), (900, true)] {
            let world = try await EngineWorld()
            var task = uncertain(1, policy: .resubmitIfAbsent)
            task.attempt?.clockJumped(by: .seconds(600))
            let control = try await insertControl(world)
            let id = try await world.insert(task)
            let later = Record.listed("r-1", request: ["prompt": "a cat \n"], at: start + .seconds(seconds))
            list(world) { [control, later] }
            // The clock is looked at often enough to see that it is steady.
            for _ in 0..<60 {
                _ = try await world.engine.reconciler.step()
                world.time.advance(by: .seconds(30))
            }
            #expect(try await world.task(id).state == (isProof ? .queued : .uncertain), "\(seconds)")
        }
    }

    @Test func `what was sent by a machine that slept on the way is looked for until its attempt ended`() async throws {
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

    /// An endpoint that the user defines, whose list has pages.
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

    @Test func `a list of small pages is read to its empty one, by what was sent in the body`() async throws {
        let world = try await EngineWorld(definition: Self.paged)
        // The model went out in the address, so no record echoes it.
        let id = try await world.insert(uncertain(1, policy: .fail), request: ["model": "v1", "prompt": "a cat"])
        let items = (0..<10).map { item("r-\($0)", "a dog") } + [item("r-10", "a cat")]
        world.provider.play { sent async throws(UpstreamTransportError) in paged(items, skip: Self.skip(in: sent)) }
        try await look(world, for: .seconds(300))
        #expect(try await world.task(id).remoteID?.text == "r-10")
    }

    @Test(arguments: [false, true])
    func `nothing is missing for certain where an item cannot be read`(isReadable: Bool) async throws {
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
    func `a list that shows no accepted task of the endpoint proves no absence`(listing: String) async throws {
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

    @Test func `a control must have sent every member that the lost task sent`() async throws {
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
    func `a record that may be the task's prevents the proof and is shown`(how: String) async throws {
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
        #expect(events.map { $0.entry.detail["possible"] } == [["r-1"]], "said once")
    }

    @Test func `pages of ten are read to the end`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        list(world, pageCap: 10) { [listed] in
            [control] + (0..<9).map { listed("r-\($0)", ["prompt": "a dog"]) } + [listed("r-10", ["prompt": "a cat"])]
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-10")
    }

    @Test func `a list that moves between two pages is read again`() async throws {
        let world = try await EngineWorld()
        let control = try await insertControl(world)
        let id = try await world.insert(uncertain(1, policy: .resubmitIfAbsent))
        // An item before the second page is deleted after the first one was read, so that one item is skipped.
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

    @Test func `no task is absent because of a list that is not its own`() async throws {
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
        // Of the two lists only that of `edit` can be read, and it shows the task.
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

    @Test func `a reading that fails on a later page counts for nothing`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1))
        let page = (0..<50).map { listed("r-\($0)", ["prompt": "a dog"]) }
        world.provider.enqueue(.items(page), .text("<html>", status: 502))
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).attempt?.absentReadings == 0)
    }

    // MARK: What must not hold up the rest

    @Test func `an uncertain task of an endpoint that is gone holds up no other`() async throws {
        let world = try await EngineWorld()
        let gone = try await world.insert(uncertain(1, "image/gone"))
        let known = try await world.insert(uncertain(2))
        list(world) { [listed] in [listed("r-1", ["prompt": "a cat"])] }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(known).state == .running)
        #expect(try await world.task(gone).state == .uncertain)
    }

    @Test func `a provider without a list is not asked for one`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(uncertain(1, "single/make"))
        let comeBack = try await world.engine.reconciler.step()
        #expect(world.provider.sent.isEmpty)
        #expect(try await world.task(id).state == .uncertain)
        #expect(comeBack > world.time.now())
    }

    @Test func `a service whose look-up could not be planned is looked at again`() async throws {
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

    @Test func `a full disk while settling settles nothing and is tried again`() async throws {
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
