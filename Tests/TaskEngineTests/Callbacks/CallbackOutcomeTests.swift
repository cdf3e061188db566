import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests tasks whose outcome only a callback supplies, redaction, and the trust in callbacks.
@Suite(.timeLimit(.minutes(2))) struct CallbackOutcomeTests: CallbackFixture {
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
        try await world.pollForgottenTasks()
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
        try await world.pollForgottenTasks()
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
        try await world.pollForgottenTasks()
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
