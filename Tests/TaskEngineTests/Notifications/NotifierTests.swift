import ProviderCatalog
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct NotifierTests {
    private let refused = DeliveryQueue.Outcome.failed(DeliveryFailure(status: 500, reason: "it answered 500"))

    private func destination(_ name: String = "backend", _ change: (inout Destination) -> Void = { _ in }) throws
        -> Destination
    {
        var destination = Destination(
            name: try #require(DestinationName(name)), target: .url("https://receiver.example/hook"))
        change(&destination)
        return destination
    }

    private func world(
        _ destinations: [Destination], _ sender: ScriptedSender, from earlier: EngineWorld? = nil,
        time: ManualTimeSource = ManualTimeSource()
    ) async throws -> EngineWorld {
        let world = try await EngineWorld(
            time: time, from: earlier, destinations: destinations, sender: sender)
        try await world.engine.recovery.run()
        return world
    }

    /// Sends what is due, until nothing is.
    private func settle(_ world: EngineWorld) async throws {
        for _ in 1...20 where try await world.engine.notifier.step() <= world.time.now() {}
        // The first claim makes the destination, a later one sends what follows.
        _ = try await world.engine.notifier.step()
    }

    private func cancelled(in world: EngineWorld, labels: [String: String] = [:], notify: String? = nil) async throws
        -> TaskID
    {
        var submission = Submission(
            endpoint: "image/make", request: JSONObject([("prompt", "a cat")]), labels: labels)
        submission.notify = notify
        let id = try await world.service.submit(submission).task.task.id
        _ = try await world.service.cancel(id)
        return id
    }

    @Test func `outcomes are sent with the epoch and the place of their event`() async throws {
        let sender = ScriptedSender()
        let world = try await world([try destination()], sender)
        try await settle(world)
        let id = try await cancelled(in: world)
        try await settle(world)
        let event = try #require(try await world.sqlite.events(of: id, after: 0, limit: 9).last)
        let epoch = try await world.sqlite.logEpoch(orNew: "none yet")
        #expect(sender.sent.map(\.id) == ["\(epoch.name)-\(event.sequence)"])
        #expect(sender.sent.map(\.type) == ["task.cancelled"])
        #expect(sender.sent.map(\.task) == [id])
        #expect(try await world.sqlite.destinations().map(\.cursor) == [event.sequence])
    }

    @Test func `the end of a reconciliation is sent to those that ask for it, until it is taken`() async throws {
        let sender = ScriptedSender()
        let asking = try destination("asking") { $0.types = [.reconcileFinished] }
        let world = try await world([asking, try destination("usual")], sender)
        try await settle(world)
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        _ = try await world.engine.reconciliation.run()
        sender.play { [refused] notification, _ in
            #expect(notification.detail?["orphans"] == 0 && notification.task == nil)
            return refused
        }
        try await settle(world)
        #expect(sender.sent.map(\.destination) == ["asking"])
        #expect(try await world.sqlite.deliveries(.waiting(asking.name)).map(\.task) == [nil])
        // It survives a restart.
        let next = try await self.world([asking], sender, from: world, time: world.time)
        sender.play { _, _ in .delivered }
        world.time.advance(by: .seconds(600))
        try await settle(next)
        #expect(sender.sent.map(\.type) == ["reconcile.finished", "reconcile.finished"])
        #expect(sender.sent.last?.isTaken == true)
        #expect(try await next.sqlite.deliveries(.waiting(asking.name)).isEmpty)
    }

    @Test func `a line that is removed hides no earlier event`() async throws {
        let sender = ScriptedSender()
        let world = try await world([try destination()], sender)
        try await settle(world)
        let first = try await cancelled(in: world)
        let second = try await cancelled(in: world)
        try await world.engine.retention.delete(second)
        try await settle(world)
        #expect(sender.sent.map(\.task) == [first])
    }

    @Test func `a new destination begins now, and a replay goes back`() async throws {
        let sender = ScriptedSender()
        let world = try await world([], sender)
        let id = try await cancelled(in: world)
        world.reload { $0.destinations = (try? [destination()]) ?? [] }
        try await settle(world)
        #expect(sender.sent.isEmpty)
        let count = try await world.engine.notifications.replay(
            .since(world.time.now() - .seconds(60)), to: "backend")
        #expect(count == nil)
        try await settle(world)
        #expect(sender.sent.map(\.task) == [id])
        #expect(try await world.engine.notifications.replay(.task(id), to: "backend") == 1)
        try await settle(world)
        #expect(sender.sent.map(\.task) == [id, id])
        #expect(Set(sender.sent.map(\.id)).count == 1)
    }

    @Test func `a replay while the log is read leaves nothing out`() async throws {
        let sender = ScriptedSender()
        let world = try await world([try destination()], sender)
        try await settle(world)
        let first = try await cancelled(in: world)
        try await settle(world)
        let second = try await cancelled(in: world)
        let replays = Tally()
        world.store.afterRead { [world] call in
            guard case .read("log") = call, replays.next() == 1 else { return }
            _ = try? await world.engine.notifications.replay(.since(world.time.now() - .seconds(60)), to: "backend")
            // A test makes the queue again, at the place of the replay.
            _ = try? await world.engine.notifications.test("backend")
        }
        try await settle(world)
        world.store.afterRead(nil)
        try await settle(world)
        #expect(sender.sent.filter { $0.task == first }.count == 2)
        #expect(sender.sent.contains { $0.task == second })
    }

    @Test func `types, endpoints and labels decide, and a task may name a destination`() async throws {
        let sender = ScriptedSender()
        let world = try await world(
            [
                try destination("all") { $0.types = Set(NotificationType.allCases) },
                try destination("songs") { $0.endpoints = ["image/edit", "song/*"] },
                try destination("images") { $0.endpoints = ["image/*"] },
                try destination("night") { $0.labels = ["run": "night"] },
                try destination("named") { $0.endpoints = [] },
            ], sender)
        try await settle(world)
        _ = try await cancelled(in: world, labels: ["run": "night", "x": "y"], notify: "named")
        _ = try await cancelled(in: world)
        try await settle(world)
        func types(_ name: String) -> [String] { sender.sent.filter { $0.destination == name }.map(\.type) }
        #expect(types("all").sorted() == ["task.cancelled", "task.cancelled", "task.queued", "task.queued"])
        #expect(types("songs") == [])
        #expect(types("images") == ["task.cancelled", "task.cancelled"])
        #expect(types("night") == ["task.cancelled"])
        #expect(types("named") == ["task.cancelled"])
    }

    @Test func `a task that names no destination of the settings is refused`() async throws {
        let world = try await world([try destination()], ScriptedSender())
        await #expect(throws: TaskServiceError.self) {
            _ = try await cancelled(in: world, notify: "backnd")
        }
        #expect(try await world.sqlite.counts().isEmpty)
    }

    @Test func `a callback of a program has the form of its provider, and is about the outcome only`() async throws {
        let sender = ScriptedSender()
        let world = try await world([.callbacks, try destination { $0.endpoints = [] }], sender)
        try await settle(world)
        var submission = GatewaySubmission(
            endpoint: try #require(EndpointName("image/make")),
            request: JSONObject([("prompt", "a cat"), ("callback_url", "http://127.0.0.1:3000/done")]),
            program: "notebook", contentKey: [])
        submission.deliversCallback = true
        let task = try await world.engine.gateway.submit(submission).task
        // Nothing on the socket can ask for that.
        await #expect(throws: TaskServiceError.self) {
            _ = try await cancelled(in: world, notify: "callback:http://127.0.0.1:3000/done")
        }
        _ = try await world.service.cancel(task)
        try await settle(world)
        let sent = sender.sent.filter { $0.destination == "gateway_callbacks" }
        #expect(sent.map(\.type) == ["task.cancelled"])
        #expect(sent.first?.body?["success"] == false)
        #expect(sent.first?.body?["task_id"]?.string == task.text)
        #expect(sent.first?.body?["error"]?["code"] == "cancelled")
        #expect(sender.sent.filter { $0.destination == "backend" }.isEmpty)
    }

    @Test func `a task may bring an address where the settings allow it`() async throws {
        let sender = ScriptedSender()
        let shared = try #require(Destination(taskURLs: .https))
        let world = try await world([shared, try destination { $0.endpoints = [] }], sender)
        try await settle(world)
        let id = try await cancelled(in: world, notify: "https://example.org/hook")
        _ = try await cancelled(in: world, notify: "backend")
        for notify in ["https://127.0.0.1/", "http://example.org/", "task_urls"] {
            await #expect(throws: TaskServiceError.self, "\(notify)") {
                _ = try await cancelled(in: world, notify: notify)
            }
        }
        try await settle(world)
        #expect(sender.sent.filter { $0.destination == "task_urls" }.map(\.task) == [id])
        #expect(sender.sent.filter { $0.destination == "backend" }.count == 1)
        world.reload { $0.destinations = [] }
        await #expect(throws: TaskServiceError.self) {
            _ = try await cancelled(in: world, notify: "https://example.org/hook")
        }
    }

    @Test func `a new destination begins before the first claim`() async throws {
        let sender = ScriptedSender()
        let world = try await world([try destination()], sender)
        await world.engine.notifications.begin()
        let id = try await cancelled(in: world)
        try await settle(world)
        #expect(sender.sent.map(\.task) == [id])
    }

    @Test func `events of a task whose details a person removed are not sent`() async throws {
        let sender = ScriptedSender()
        sender.play { _, _ in refused }
        let world = try await world([try destination()], sender)
        try await settle(world)
        let id = try await cancelled(in: world)
        try await settle(world)
        #expect(sender.sent.count == 1)
        try await world.engine.retention.delete(id)
        world.time.advance(by: .seconds(10))
        try await settle(world)
        #expect(sender.sent.count == 1)
        let report = try #require(try await world.engine.notifications.report().first)
        #expect(report.waiting == 0 && report.behind == 0)
    }

    @Test func `a test starts a stopped destination also right after a start`() async throws {
        let sender = ScriptedSender()
        sender.play { _, _ in .gone(DeliveryFailure(status: 410, reason: "it answered 410")) }
        let first = try await world([try destination()], sender)
        try await settle(first)
        let id = try await cancelled(in: first)
        try await settle(first)
        sender.play { _, _ in .delivered }
        let second = try await world([try destination()], sender, from: first, time: first.time)
        #expect(try await second.engine.notifications.test("backend") == nil)
        #expect(try await second.engine.notifications.report().map(\.condition) == [.open])
        try await settle(second)
        #expect(sender.sent.last?.task == id)
    }

    @Test func `what failed goes on after a restart, in order`() async throws {
        let sender = ScriptedSender()
        let first = try await world([try destination { $0.types = [.state(.queued), .state(.cancelled)] }], sender)
        try await settle(first)
        sender.play { _, _ in refused }
        let id = try await cancelled(in: first)
        try await settle(first)
        #expect(sender.sent.map(\.type) == ["task.queued"])
        let name = try #require(DestinationName("backend"))
        #expect(try await first.sqlite.deliveries(.waiting(name)).map(\.attempts) == [1, 0])
        sender.play { _, _ in .delivered }
        first.time.advance(by: .seconds(10))
        let second = try await world(
            [try destination { $0.types = [.state(.queued), .state(.cancelled)] }], sender, from: first,
            time: first.time)
        try await settle(second)
        #expect(sender.sent.map(\.type) == ["task.queued", "task.queued", "task.cancelled"])
        #expect(sender.sent.filter(\.isTaken).map(\.task) == [id, id])
        #expect(try await second.sqlite.deliveries(.waiting(name)).isEmpty)
    }

    @Test func `a delivery that was not stored is made again with the same id`() async throws {
        let sender = ScriptedSender()
        let first = try await world([try destination()], sender)
        try await settle(first)
        _ = try await cancelled(in: first)
        let (work, _) = await first.engine.notifier.claim()
        // Sent, and killed before anything is stored.
        first.store.fail { $0.isWrite ? .full : nil }
        for piece in work { await first.engine.notifier.worker.perform(piece) }
        let second = try await world([try destination()], sender, from: first, time: first.time)
        try await settle(second)
        #expect(sender.sent.count == 2)
        #expect(Set(sender.sent.map(\.id)).count == 1)
    }

    @Test func `what could not be stored is stored once the disk has room`() async throws {
        let sender = ScriptedSender()
        let world = try await world([try destination()], sender)
        try await settle(world)
        let id = try await cancelled(in: world)
        let (work, _) = await world.engine.notifier.claim()
        world.store.fail { $0.isWrite ? .full : nil }
        for piece in work { await world.engine.notifier.worker.perform(piece) }
        world.store.fail(nil)
        world.time.advance(by: .seconds(5))
        try await settle(world)
        #expect(sender.sent.map(\.task) == [id])
        let end = try await world.sqlite.logEnd()
        #expect(try await world.sqlite.destinations().map(\.cursor) == [end])
    }

    @Test func `a destination that is removed loses its place and its rows`() async throws {
        let sender = ScriptedSender()
        sender.play { _, _ in refused }
        let world = try await world([try destination(), try destination("other")], sender)
        try await settle(world)
        _ = try await cancelled(in: world)
        try await settle(world)
        #expect(try await world.sqlite.deliveryCounts().map(\.count) == [1, 1])
        let other = try destination("other")
        world.reload { $0.destinations = [other] }
        try await settle(world)
        #expect(try await world.sqlite.destinations().map(\.name.text) == ["other"])
        #expect(try await world.sqlite.deliveryCounts().map(\.destination.text) == ["other"])
        world.reload { $0.destinations = [] }
        try await settle(world)
        #expect(try await world.sqlite.destinations().isEmpty)
        #expect(try await world.sqlite.deliveryCounts().isEmpty)
    }

    @Test func `dead letters are shown and can be sent again`() async throws {
        let sender = ScriptedSender()
        sender.play { _, _ in .rejected(DeliveryFailure(status: 65, reason: "it exited with 65", answer: "no")) }
        let world = try await world([try destination()], sender)
        try await settle(world)
        let id = try await cancelled(in: world)
        try await settle(world)
        let dead = try await world.engine.notifications.dead()
        #expect(dead.map(\.task) == [id])
        #expect(dead.first?.failure?.answer == "no" && dead.first?.failure?.status == 65)
        #expect(try await world.engine.notifications.report().map(\.dead) == [1])
        sender.play { _, _ in .delivered }
        #expect(try await world.engine.notifications.replay(.dead, to: "backend") == 1)
        try await settle(world)
        #expect(sender.sent.map(\.isTaken) == [false, true])
        #expect(try await world.engine.notifications.dead().isEmpty)
    }

    @Test func `a test that is taken starts a stopped destination`() async throws {
        let sender = ScriptedSender()
        sender.play { _, _ in .gone(DeliveryFailure(status: 410, reason: "it answered 410")) }
        let world = try await world([try destination()], sender)
        try await settle(world)
        let id = try await cancelled(in: world)
        try await settle(world)
        world.time.advance(by: .seconds(86_400))
        try await settle(world)
        #expect(sender.sent.count == 1)
        #expect(try await world.engine.notifications.report().map(\.condition) == [.stopped])
        #expect(try await world.engine.notifications.test("backend") != nil)
        sender.play { _, _ in .delivered }
        #expect(try await world.engine.notifications.test("backend") == nil)
        #expect(try await world.engine.notifications.report().map(\.condition) == [.open])
        try await settle(world)
        #expect(sender.sent.last?.task == id)
        #expect(sender.sent.map(\.type) == ["task.cancelled", "pollux.ping", "pollux.ping", "task.cancelled"])
    }

    @Test func `another name than one of the settings is refused with the nearest`() async throws {
        let world = try await world([try destination()], ScriptedSender())
        let error = await #expect(throws: TaskServiceError.self) {
            _ = try await world.engine.notifications.test("backed")
        }
        #expect(error?.code == "unknown_destination")
        #expect(error?.message.contains("Did you mean \"backend\"?") == true)
    }

    @Test func `three destinations add no write to a submission and its outcome`() async throws {
        final class Calls: Sendable {
            private let words = Mutex<[String]>([])
            var all: [String] { words.withLock { $0 } }
            func add(_ call: StoreCall) { words.withLock { $0.append(call.verb) } }
        }
        func calls(_ destinations: [Destination]) async throws -> [String] {
            let world = try await world(destinations, ScriptedSender())
            try await settle(world)
            // What only the first submission needs.
            _ = try await cancelled(in: world)
            let calls = Calls()
            world.store.fail { call in
                calls.add(call)
                return nil
            }
            _ = try await cancelled(in: world)
            return calls.all
        }
        let three = try ["one", "two", "three"].map { try destination($0) }
        let without = try await calls([])
        #expect(try await calls(three) == without)
        #expect(!without.isEmpty)
    }

    @Test func `a dead destination does not keep others from theirs`() async throws {
        let sender = ScriptedSender()
        sender.play { _, destination in
            destination.name.text == "dead"
                ? DeliveryQueue.Outcome.failed(DeliveryFailure(reason: "refused")) : .delivered
        }
        let world = try await world([try destination("dead"), try destination("good")], sender)
        try await settle(world)
        for _ in 1...30 { _ = try await cancelled(in: world) }
        try await settle(world)
        #expect(sender.sent.filter { $0.destination == "good" }.count == 30)
        let report = try await world.engine.notifications.report()
        #expect(report.first { $0.destination.name.text == "dead" }?.condition == .closed)
        #expect(report.first { $0.destination.name.text == "good" }?.behind == 0)
    }
}

extension StoreCall {
    fileprivate var verb: String {
        switch self {
        case .apply: "apply"
        case .insert: "insert"
        case .write(let verb): "write \(verb)"
        case .read(let verb): "read \(verb)"
        }
    }
}
