import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct CallbackTests {
    private static let publicURL = "https://pollux.example"

    /// Creates an engine with callbacks enabled.
    private func world(
        limits: EngineLimits = EngineLimits(), redactor: SecretRedactor = SecretRedactor()
    ) async throws -> EngineWorld {
        try await EngineWorld(limits: limits, callbacksAt: Self.publicURL, redactor: redactor)
    }

    /// The token in the callback URL of a paid request.
    private func token(of sent: SentRequest?) throws -> String {
        let url = try #require(sent?.body["callback_url"]?.string)
        let prefix = Self.publicURL + "/callbacks/"
        #expect(url.hasPrefix(prefix))
        return String(url.dropFirst(prefix.count))
    }

    /// Creates a running task with the remote id `r-1`. Returns it with its token.
    private func running(_ world: EngineWorld) async throws -> (TaskID, token: String) {
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        return (id, try token(of: world.provider.paid.last))
    }

    /// Creates a task whose reply was lost. Returns it with its token.
    private func lost(
        _ world: EngineWorld, onUncertain: UncertainPolicy? = nil
    ) async throws -> (TaskID, token: String) {
        world.provider.enqueue(.interrupted("reset"))
        let id = try await world.submit(onUncertain: onUncertain)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        return (id, try token(of: world.provider.paid.last))
    }

    private func deliver(_ body: JSONValue, _ token: String, to world: EngineWorld) async throws -> Bool {
        try await world.engine.callbacks.deliver(CallbackBody(body.utf8), to: token) == .taken
    }

    private static func success(_ id: String = "r-1") -> JSONValue {
        [
            "success": true, "task_id": .string(id), "trace_id": "t-1",
            "data": [["image_url": "https://cdn.example/1.png"]],
        ]
    }

    private static let failure: JSONValue = [
        "success": false, "task_id": "r-1", "error": ["code": "forbidden", "message": "Moderation."],
    ]

    /// A callback that claims success and reports progress of 35 %.
    private static let premature: JSONValue = [
        "success": true, "task_id": "r-1", "progress": 35, "image_url": "https://cdn.example/preview.png",
    ]

    // MARK: Requests

    @Test func `each attempt has its own token, and only its digest is stored`() async throws {
        let world = try await world()
        let (first, firstToken) = try await running(world)
        world.provider.enqueue(.accepted("r-2"))
        _ = try await world.submit()
        _ = try await world.engine.submitter.step()
        let secondToken = try token(of: world.provider.paid.last)
        #expect(firstToken != secondToken)
        #expect(firstToken.count == 43)
        let task = try await world.task(first)
        #expect(task.attempt?.callback?.bytes.count == 32)
        #expect(world.provider.paid.first?.body["async"] == true)
    }

    @Test func `a callback URL in the request is kept, and no own one is sent`() async throws {
        let world = try await world()
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit(
            "image/make", JSONObject([("prompt", "a cat"), ("callback_url", "https://mine.example/x")]))
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.first?.body["callback_url"] == "https://mine.example/x")
        let task = try await world.task(id)
        #expect(task.hasOwnCallback)
        #expect(task.attempt?.callback == nil)
    }

    @Test func `without a public URL no callback is requested`() async throws {
        let world = try await EngineWorld()
        world.provider.enqueue(.accepted("r-1"))
        _ = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.first?.body["callback_url"] == nil)
        #expect(try await world.engine.callbacks.deliver(CallbackBody([]), to: "anything") == .unknownToken)
    }

    // MARK: Callbacks and polls

    @Test func `a callback triggers a poll, which decides the outcome`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.success(), token, to: world))
        #expect(try await world.task(id).state == .running)
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(task.outcomeSource == .poll)
        #expect(
            try await world.kinds(of: id)
                == ["created", "submission_started", "submission_accepted", "called_back", "observed"])
    }

    @Test func `a premature success only triggers a poll`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.premature, token, to: world))
        world.time.advance(by: .milliseconds(1))
        world.provider.enqueue(.json(Record.pending("r-1")))
        _ = try await world.engine.scheduler.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.callbacks.finalAt == nil)
        #expect(!task.isCalledBack)
        #expect(world.provider.queries.count == 1)
    }

    @Test func `contradicting callbacks do not change the outcome of the provider's record`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        for body in [Self.failure, Self.success(), Self.failure] {
            #expect(try await deliver(body, token, to: world))
        }
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
        // A contradicting callback after the end is logged and changes nothing.
        #expect(try await deliver(Self.failure, token, to: world))
        #expect(try await deliver(Self.success(), token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(try await world.kinds(of: id).suffix(2) == ["observed", "late_result"])
    }

    @Test(arguments: ["", "not JSON", "[]", "{\"success\": tr", "\u{0}"])
    func `an unreadable body triggers a poll`(body: String) async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await world.engine.callbacks.deliver(CallbackBody(Array(body.utf8)), to: token) == .taken)
        #expect(try await world.task(id).isCalledBack)
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test(arguments: [TaskState.uncertain, .submitting, .queued, .running])
    func `an unreadable body is requested again unless the task can be polled`(state: TaskState) async throws {
        let world = try await world()
        if state == .running {
            world.provider.enqueue(.accepted("r-1"))
        } else {
            world.provider.enqueue(.interrupted("reset"))
        }
        let id = try await world.submit()
        if state == .submitting {
            var work: [Submitter.Work] = []
            _ = try await world.engine.submitter.worker.claim(into: &work, at: world.time.now())
            let url = try #require(work.first?.callbackURL)
            let token = String(url.split(separator: "/").last ?? "")
            #expect(try await world.engine.callbacks.deliver(CallbackBody([0]), to: token) == .unreadable)
            return
        }
        _ = try await world.engine.submitter.step()
        let token = try token(of: world.provider.paid.last)
        if state == .queued { _ = try await world.service.resolve(id, .resubmit) }
        #expect(try await world.task(id).state == state)
        let answer = try await world.engine.callbacks.deliver(CallbackBody([0]), to: token)
        #expect(answer == (state == .running ? .taken : .unreadable))
        // Even an unreadable body proves that the provider has the task.
        #expect(try await world.task(id).callbacks.count == 1)
        let packed = CallbackBody(unreadable: [1, 2, 3], because: "is compressed with br, which Pollux cannot read")
        #expect(try await world.engine.callbacks.deliver(packed, to: token) == answer)
    }

    @Test func `a token is known once its request is sent, and other tokens are unknown`() async throws {
        let world = try await world()
        let (_, token) = try await running(world)
        #expect(try await world.engine.callbacks.isKnown(callbackToken: token))
        #expect(try await !world.engine.callbacks.isKnown(callbackToken: token + "x"))
        #expect(world.engine.callbacks.monitor?.report.unknownTokens == 1)
        #expect(world.engine.callbacks.monitor?.report.deliveries == 0)
    }

    @Test func `callbacks beyond the limit are counted and not stored`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        for _ in 0..<(CallbackDelivery.maxPerAttempt + 40) {
            #expect(try await deliver(Self.premature, token, to: world))
        }
        let events = try await world.kinds(of: id).count { $0 == "called_back" }
        #expect(events == CallbackDelivery.maxPerAttempt)
        #expect(world.provider.queries.isEmpty)
    }

    @Test func `an unknown token only raises a counter`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        let before = try await world.task(id)
        for guess in ["", "x", String(token.dropLast()), token + "A", String(token.reversed())] {
            #expect(try await deliver(Self.success(), guess, to: world) == false)
        }
        #expect(try await world.task(id) == before)
        #expect(world.engine.callbacks.monitor?.report.unknownTokens == 5)
        #expect(world.engine.callbacks.monitor?.report.deliveries == 0)
    }

    @Test func `a callback during a poll triggers another poll`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(40))
        let body = Self.success().utf8
        world.provider.play { [world] _ async throws(UpstreamTransportError) in
            world.time.advance(by: .milliseconds(300))
            _ = try? await world.engine.callbacks.deliver(CallbackBody(body), to: token)
            world.time.advance(by: .milliseconds(300))
            return .json(Record.pending("r-1"))
        }
        _ = try await world.engine.scheduler.step()
        let task = try await world.task(id)
        #expect(task.isCalledBack)
        #expect(task.nextDueAt.map { $0 <= world.time.now() + .seconds(1) } ?? false)
    }

    // MARK: Lost replies

    @Test func `a callback resolves an uncertain task`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        #expect(try await deliver(Self.success(), token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.resolution == .calledBack)
        #expect(task.remoteID?.text == "r-1")
        world.provider.enqueue(.json(Record.succeeded("r-1")))
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback before a lost reply resolves the task`() async throws {
        let world = try await world()
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            guard sent.isPaid else { return .json(Record.succeeded("r-1")) }
            let url = sent.body["callback_url"]?.string ?? ""
            let token = String(url.split(separator: "/").last ?? "")
            _ = try? await world.engine.callbacks.deliver(CallbackBody(Self.success().utf8), to: token)
            throw .interrupted("reset")
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let task = try await world.task(id)
        #expect(task.state == .running)
        #expect(task.resolution == .calledBack)
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `a callback before a crash resolves the task at the next start`() async throws {
        let world = try await world()
        world.provider.play { _ async throws(UpstreamTransportError) in throw .cancelled }
        let id = try await world.submit()
        var work: [Submitter.Work] = []
        _ = try await world.engine.submitter.worker.claim(into: &work, at: world.time.now())
        // The callback arrives during the request, then the daemon crashes.
        let digest = try #require(try await world.task(id).attempt?.callback)
        let owner = try #require(try await world.sqlite.owner(of: digest))
        let delivery = CallbackDelivery(
            attempt: owner.attempt, remoteID: RemoteTaskID("r-1"),
            observation: Observation(.succeeded(partial: false), record: Self.success()))
        _ = try await world.sqlite.apply(
            [ScheduledEvent(.calledBack(delivery), for: id, nextDueAt: world.time.now())], at: world.time.now())
        let next = try await EngineWorld(time: world.time, from: world, callbacksAt: Self.publicURL)
        try await next.engine.recovery.run()
        let task = try await next.task(id)
        #expect(task.state == .running)
        #expect(task.remoteID?.text == "r-1")
    }

    @Test func `a task with a callback is never resubmitted`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world, onUncertain: .resubmitIfAbsent)
        // A callback without an id proves that the task exists, but it cannot be polled.
        #expect(try await deliver(["note": "working on it"], token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        for _ in 0..<12 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
            _ = try await world.engine.submitter.step()
        }
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a result without an id is the outcome of a lost submission`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        #expect(try await deliver(body, token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(task.outcomeSource == .callback)
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == body)
    }

    @Test func `a result without an id before a lost reply is the outcome`() async throws {
        let world = try await world()
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            let url = sent.body["callback_url"]?.string ?? ""
            _ = try? await world.engine.callbacks.deliver(
                CallbackBody(body.utf8), to: String(url.split(separator: "/").last ?? ""))
            throw .interrupted("reset")
        }
        let id = try await world.submit(onUncertain: .resubmitIfAbsent)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(id)
        #expect(task.state == .succeeded && task.outcomeSource == .callback && task.resolution == .calledBack)
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == body)
        #expect(world.provider.paid.count == 1)
    }

    @Test(arguments: [UpstreamReply.error("busy", status: 429), .error("forbidden", status: 403)])
    func `a task with a callback is not resubmitted, whatever its reply`(reply: UpstreamReply) async throws {
        let world = try await world()
        let body: JSONValue = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            let url = sent.body["callback_url"]?.string ?? ""
            _ = try? await world.engine.callbacks.deliver(
                CallbackBody(body.utf8), to: String(url.split(separator: "/").last ?? ""))
            return reply
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .succeeded)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback about an earlier attempt's failure does not end a later attempt`() async throws {
        let world = try await world()
        let (id, first) = try await lost(world)
        _ = try await world.service.resolve(id, .resubmit)
        let failure: JSONValue = ["success": false, "error": ["code": "forbidden", "message": "Moderation."]]
        world.provider.play { [world] sent async throws(UpstreamTransportError) in
            guard sent.isPaid else { return .items([]) }
            _ = try? await world.engine.callbacks.deliver(CallbackBody(failure.utf8), to: first)
            throw .interrupted("reset")
        }
        _ = try await world.engine.submitter.step()
        world.provider.play { _ async throws(UpstreamTransportError) in .items([]) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).state == .uncertain)
    }

    @Test func `a queued task with a callback for an earlier attempt is not sent again`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        _ = try await world.service.resolve(id, .resubmit)
        #expect(try await world.task(id).state == .queued)
        #expect(try await deliver(Self.success(), token, to: world))
        #expect(try await world.task(id).state == .running)
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
    }

    @Test func `a callback with another task's id does not resolve an uncertain task`() async throws {
        let world = try await world()
        _ = try await running(world)
        let (id, token) = try await lost(world)
        #expect(try await deliver(Self.success(), token, to: world))
        let task = try await world.task(id)
        #expect(task.state == .uncertain)
        #expect(task.callbacks.count == 1)
        #expect(task.callbacks.finalAt == nil)
    }

    @Test func `a callback about another task of the provider does not end this task`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.success("r-77"), token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<5 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        #expect(try await world.task(id).state == .running)
        #expect(try await world.sqlite.deliveredOutcome(of: id) == nil)
    }

    @Test func `a listed record is matched by its token`() async throws {
        let world = try await world()
        let (first, firstToken) = try await lost(world)
        let (second, secondToken) = try await lost(world)
        let now = world.time.now()
        @Sendable func listed(_ id: String, _ token: String) -> JSONValue {
            Record.listed(
                id,
                request: [
                    "prompt": "a cat", "async": true, "callback_url": .string("\(Self.publicURL)/callbacks/\(token)"),
                ], at: now)
        }
        // The requests are equal and differ only in their token.
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([listed("r-2", secondToken), listed("r-1", firstToken), listed("r-0", "another-token")])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(first).remoteID?.text == "r-1")
        #expect(try await world.task(second).remoteID?.text == "r-2")
    }

    @Test func `a token in a listed record is proof, whatever the record's time`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world)
        let url = Self.publicURL + "/callbacks/" + token
        let far = world.time.now() + .seconds(7_200)
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([Record.listed("r-5", request: ["prompt": "a kitten", "callback_url": .string(url)], at: far)])
        }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(id).remoteID?.text == "r-5")
    }

    @Test func `a list without callback URLs does not prove absence`() async throws {
        let world = try await world()
        let (id, _) = try await lost(world, onUncertain: .resubmitIfAbsent)
        let now = world.time.now()
        world.provider.play { _ async throws(UpstreamTransportError) in
            .items([Record.listed("r-1", request: ["prompt": "a cat"], at: now)])
        }
        for _ in 0..<12 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(60))
            _ = try await world.engine.submitter.step()
        }
        #expect(try await world.task(id).state == .uncertain)
        #expect(world.provider.paid.count == 1)
    }

    // MARK: Outcomes from callbacks only

    @Test func `a task that the provider has forgotten ends with the delivered outcome`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.failure, token, to: world))
        #expect(try await deliver(Self.success(), token, to: world))
        #expect(try await deliver(Self.failure, token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<3 {
            #expect(try await world.task(id).state == .running)
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        let task = try await world.task(id)
        #expect(task.state == .succeeded)
        #expect(task.outcomeSource == .callback)
        #expect(try await world.kinds(of: id).last == "ended_by_callback")
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == Self.success())
        #expect(try await world.sqlite.deliveredOutcome(of: id) == nil)
    }

    @Test func `a record that is missing for seconds is not gone`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        world.time.advance(by: .seconds(2))
        #expect(try await deliver(Self.success(), token, to: world))
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<8 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(3))
            #expect(try await world.task(id).state == .running)
        }
    }

    @Test func `a callback after a cancellation counts once the task is reopened`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        _ = try await world.service.cancel(id)
        world.time.advance(by: .seconds(60))
        #expect(try await deliver(Self.premature, token, to: world))
        #expect(try await deliver(Self.success(), token, to: world))
        let cancelled = try await world.task(id)
        #expect(cancelled.state == .cancelled && cancelled.callbacks.count == 2 && cancelled.nextDueAt == nil)
        #expect(try await world.kinds(of: id).last == "late_result")

        _ = try await world.service.reopen(id)
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<3 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        let task = try await world.task(id)
        #expect(task.state == .succeeded && task.outcomeSource == .callback)
        #expect(try await world.sqlite.deliveredOutcome(of: id) == nil)
    }

    @Test func `a callback after giving up counts once the task is reopened`() async throws {
        let world = try await world()
        let (id, token) = try await lost(world, onUncertain: .hold)
        _ = try await world.service.resolve(id, .giveUp)
        world.time.advance(by: .seconds(60))
        #expect(try await deliver(Self.success(), token, to: world))
        let failed = try await world.task(id)
        #expect(failed.state == .failed && failed.remoteID != nil && failed.callbacks.count == 1)
        #expect(try await world.kinds(of: id).last == "late_record")

        _ = try await world.service.reopen(id)
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<3 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        let task = try await world.task(id)
        #expect(task.state == .succeeded && task.outcomeSource == .callback)
    }

    @Test func `a token in a record is redacted`() async throws {
        let world = try await world()
        let (id, token) = try await running(world)
        let url = Self.publicURL + "/callbacks/" + token
        world.provider.play { _ async throws(UpstreamTransportError) in
            guard case .object(var record) = Record.succeeded("r-1") else { return .json([:]) }
            record["request"] = ["prompt": "a cat", "callback_url": .string(url), "n": 150]
            return .json(.object(record))
        }
        world.time.advance(by: .seconds(60))
        _ = try await world.engine.scheduler.step()
        let kept = try #require(try await world.sqlite.taskWithPayload(id)?.payload.response)
        #expect(!kept.text.contains(token))
        #expect(
            kept["request"] == [
                "prompt": "a cat", "callback_url": .string(Self.publicURL + "/callbacks/(token)"), "n": 150,
            ])
    }

    @Test func `a secret in a callback is redacted`() async throws {
        let world = try await world(redactor: SecretRedactor(["secret-0123456789"]))
        let (id, token) = try await running(world)
        let body = #"{"success":false,"task_id":"r-1","error":{"code":"bad","message":"bad token secret-0123456789"}}"#
        #expect(try await world.engine.callbacks.deliver(CallbackBody(Array(body.utf8)), to: token) == .taken)
        world.provider.play { _ async throws(UpstreamTransportError) in .json([:]) }
        for _ in 0..<3 {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(61))
        }
        #expect(try await world.task(id).failure?.message == "bad token (redacted)")
        let kept = try #require(try await world.sqlite.taskWithPayload(id)?.payload.response)
        #expect(kept.text.contains("(redacted)") && !kept.text.contains("secret-0123456789"))
    }

    @Test func `a token in a refusal is redacted`() async throws {
        let world = try await world()
        world.provider.play { sent async throws(UpstreamTransportError) in
            let url = sent.body["callback_url"]?.string ?? ""
            return .json(
                ["error": ["code": "bad_callback", "message": .string("\(url) cannot be reached")]], status: 400)
        }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).failure?.message == Self.publicURL + "/callbacks/(token) cannot be reached")
    }

    // MARK: Statistics

    /// Runs a task to its end, with or without a callback.
    private func play(_ number: Int, in world: EngineWorld, callsBack: Bool) async throws {
        let remote = "r-\(number)"
        world.provider.enqueue(.accepted(remote))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let token = try token(of: world.provider.paid.last)
        world.time.advance(by: .seconds(40))
        if callsBack { _ = try await deliver(Self.success(remote), token, to: world) }
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.succeeded(remote)) }
        while try await world.task(id).state == .running {
            _ = try await world.engine.scheduler.step()
            world.time.advance(by: .seconds(1))
        }
    }

    @Test func `the trust in callbacks rises with each one and falls when one is missing`() async throws {
        let world = try await world()
        for number in 0..<12 { try await play(number, in: world, callsBack: true) }
        let trusted = try #require(try await world.engine.endpoints.endpoint("image/make").callbacks)
        #expect(trusted.expected == 12 && trusted.came == 12 && trusted.missing == 0)
        #expect(trusted.trust > 0.9 && trusted.trust < 1)
        try await play(12, in: world, callsBack: false)
        let doubted = try #require(try await world.engine.endpoints.endpoint("image/make").callbacks)
        #expect(doubted.missing == 1)
        #expect(doubted.trust < 0.25)
        // The trust survives a restart.
        let next = try await EngineWorld(time: world.time, from: world, callbacksAt: Self.publicURL)
        #expect(try await next.engine.endpoints.endpoint("image/make").callbacks == doubted)
    }

    @Test func `a callback after the poll that found the end counts as received`() async throws {
        let world = try await world()
        try await play(0, in: world, callsBack: false)
        let token = try token(of: world.provider.paid.last)
        world.time.advance(by: .seconds(3))
        #expect(try await deliver(Self.success("r-0"), token, to: world))
        #expect(try await deliver(Self.success("r-0"), token, to: world))
        let report = try #require(try await world.engine.endpoints.endpoint("image/make").callbacks)
        #expect(report.came == 1 && report.missing == 0)
        #expect(report.trust == 0)
    }

    @Test func `ten ends without a callback are reported as silence`() async throws {
        let world = try await world()
        for number in 0..<9 { try await play(number, in: world, callsBack: false) }
        #expect(world.engine.callbacks.monitor?.report.isSilent == false)
        try await play(9, in: world, callsBack: false)
        #expect(world.engine.callbacks.monitor?.report.isSilent == true)
        try await play(10, in: world, callsBack: true)
        #expect(world.engine.callbacks.monitor?.report.isSilent == false)
    }
}
