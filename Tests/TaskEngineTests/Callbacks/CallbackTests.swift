import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct CallbackTests: CallbackFixture {
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

    @Test func `a callback URL in the request is kept, and no token is sent`() async throws {
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
}
