import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct TaskServiceTests {
    // MARK: Submitting

    @Test func `an unknown endpoint is refused with the nearest names`() async throws {
        let world = try await EngineWorld()
        let error = await #expect(throws: TaskServiceError.self) { try await world.submit("image/mkae") }
        #expect(error?.code == "unknown_endpoint")
        #expect(error?.message.contains("image/make") == true)
    }

    @Test func `a deadline that has passed is refused`() async throws {
        let world = try await EngineWorld()
        let error = await #expect(throws: TaskServiceError.self) { try await world.submit(deadline: world.time.now()) }
        #expect(error?.code == "invalid_field")
    }

    @Test func `the same key and body return the same task, whatever the order of members`() async throws {
        let world = try await EngineWorld()
        func submission(_ pairs: [(String, JSONValue)]) -> Submission {
            Submission(endpoint: "image/make", request: JSONObject(pairs), idempotencyKey: "k")
        }
        let first = try await world.service.submit(submission([("a", 1), ("b", ["x": 1, "y": 2])]))
        let again = try await world.service.submit(submission([("b", ["y": 2, "x": 1]), ("a", 1)]))
        #expect(first.isNew && !again.isNew)
        #expect(first.task.task.id == again.task.task.id)
        let error = await #expect(throws: TaskServiceError.self) {
            _ = try await world.service.submit(submission([("a", 2), ("b", ["x": 1, "y": 2])]))
        }
        #expect(error?.code == "idempotency_key_reused")
        #expect(error?.message.contains("request.a") == true)
        #expect(error?.message.contains("request.b") == false)
        #expect(error?.existingTask == first.task.task.id)
    }

    @Test(arguments: [
        (#"{"n":1,"seed":1e2,"x":-0.50}"#, #"{"n":1.0,"seed":100,"x":-5e-1}"#),
        (#"{"a":[{"b":1,"c":2}]}"#, #"{"a":[{"c":2.0,"b":1}]}"#),
    ])
    func `the same key and an equal body return the same task, whatever the number format`(one: String, other: String)
        async throws
    {
        let world = try await EngineWorld()
        let first = try await world.service.submit(keyed(one))
        let again = try await world.service.submit(keyed(other))
        #expect(first.isNew && !again.isNew && first.task.task.id == again.task.task.id)
    }

    @Test(arguments: [
        (#"{"seed":12345678901234567890}"#, #"{"seed":12345678901234567891}"#, "request.seed"),
        (#"{"seed":9007199254740993}"#, #"{"seed":9007199254740992.0}"#, "request.seed"),
        (#"{"n":1}"#, #"{"n":"1"}"#, "request.n"), (#"{"n":null}"#, "{}", "request.n"),
        (#"{"x":0.1}"#, #"{"x":0.10000000000000001}"#, "request.x"), (#"{"a":[1,2]}"#, #"{"a":[2,1]}"#, "request.a"),
    ])
    func `the same key with a different body is a conflict that shows both values`(
        one: String, other: String, field: String
    ) async throws {
        let world = try await EngineWorld()
        let first = try await world.service.submit(keyed(one))
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.submit(keyed(other)) }
        guard case .keyConflict(_, let existing, let differences) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(existing == first.task.task.id)
        #expect(differences.map(\.field) == [field])
        #expect(error?.message.contains("\(field) is ") == true && error?.message.contains(" in the request") == true)
    }

    @Test func `a repeated key with another capture is a conflict, and one without it is none`() async throws {
        let world = try await EngineWorld()
        var submission = keyed("{}")
        submission.capture = false
        let first = try await world.service.submit(submission)
        #expect(!first.task.task.capturesResults)
        #expect(try await !world.service.submit(submission).isNew)
        #expect(try await world.service.submit(keyed("{}")).task.task.id == first.task.task.id)
        submission.capture = true
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.submit(submission) }
        guard case .keyConflict(_, _, let differences) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(differences.map(\.field) == ["capture"])
    }

    @Test func `a repeated key with a relative time returns the same task`() async throws {
        let world = try await EngineWorld()
        var submission = keyed("{}")
        (submission.notBefore, submission.deadline) = (.after(.seconds(60)), .after(.seconds(7_200)))
        let start = world.time.now()
        let first = try await world.service.submit(submission)
        #expect(first.task.task.notBefore == start + .seconds(60))
        #expect(first.task.task.deadline == start + .seconds(7_200))
        world.time.advance(by: .seconds(5))
        let again = try await world.service.submit(submission)
        #expect(!again.isNew && again.task.task.deadline == start + .seconds(7_200))
        // An absolute time differs from a relative one.
        submission.deadline = .at(start + .seconds(7_201))
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.submit(submission) }
        #expect(error?.message.contains("deadline is ") == true)
        #expect(error?.message.contains("not_before") == false)
    }

    @Test func `a key with an older fingerprint still finds its task`() async throws {
        let world = try await EngineWorld()
        // Older fingerprints contain the original digits, and absolute times for relative ones.
        var task = TrackedTask.task(1, deadline: world.time.now() + .seconds(7_200))
        task.onUncertain = .hold
        let old = NewTask(
            task: task, payload: TaskPayload(request: ["n": .number(try #require(JSONNumber(1.0)))]),
            idempotencyKey: .init(key: "k", fingerprint: [UInt8](repeating: 7, count: 32)))
        #expect(try await world.sqlite.insert(old) == .created)
        var submission = keyed(#"{"n":1.0}"#)
        submission.deadline = .after(.seconds(7_200))
        let again = try await world.service.submit(submission)
        #expect(!again.isNew && again.task.task.id == task.id)
        submission.priority = 3
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.submit(submission) }
        #expect(error?.message.contains("priority is 0 in the task and 3 in the request") == true)
    }

    private func keyed(_ request: String) -> Submission {
        let object = (try? JSONValue(parsing: request))?.object ?? JSONObject()
        return Submission(endpoint: "image/make", request: object, idempotencyKey: "k")
    }

    @Test func `a label with a zero character is refused`() async throws {
        let world = try await EngineWorld()
        for labels in [["a\u{0}b": "1"], ["a": "1\u{0}2"]] {
            let error = await #expect(throws: TaskServiceError.self) {
                _ = try await world.service.submit(
                    Submission(endpoint: "image/make", request: JSONObject(), labels: labels))
            }
            #expect(error?.code == "invalid_field")
        }
    }

    @Test func `a remote id is tracked once`() async throws {
        let world = try await EngineWorld()
        func track(_ endpoint: String) async throws -> (task: TaskWithPayload, isNew: Bool) {
            try await world.service.adopt(endpoint: endpoint, remoteID: "r-1", labels: [:], priority: 0, deadline: nil)
        }
        let first = try await track("image/make")
        #expect(first.isNew && first.task.task.state == .running)
        let again = try await track("image/make")
        #expect(!again.isNew && again.task.task.id == first.task.task.id)
        let error = await #expect(throws: TaskServiceError.self) { _ = try await track("image/edit") }
        #expect(error?.code == "remote_id_taken")
        #expect(try await track("single/make").isNew)
    }

    // MARK: Actions of people

    @Test func `an uncertain task can be adopted, sent again or given up`() async throws {
        let world = try await EngineWorld()
        let ids = try await [1, 2, 3].asyncMap { try await world.insert(.task($0, state: .uncertain)) }
        let adopted = try await world.service.resolve(ids[0], .adopt(remoteID: "r-1"))
        #expect(adopted.task.state == .running && adopted.task.resolution == .adopted)
        let again = try await world.service.resolve(ids[1], .resubmit)
        #expect(again.task.state == .queued && again.task.resolution == .resubmitted)
        let lost = try await world.service.resolve(ids[2], .giveUp)
        #expect(lost.task.state == .failed && lost.task.failure?.code == "submission_lost")
        let error = await #expect(throws: TaskServiceError.self) {
            _ = try await world.service.resolve(ids[0], .resubmit)
        }
        #expect(error?.code == "not_uncertain")
    }

    @Test func `the remote id of another task cannot be adopted`() async throws {
        let world = try await EngineWorld()
        let owner = try await world.insert(.task(1, state: .running, remoteID: "r-1"))
        let id = try await world.insert(.task(2, state: .uncertain))
        let error = await #expect(throws: TaskServiceError.self) {
            _ = try await world.service.resolve(id, .adopt(remoteID: "r-1"))
        }
        #expect(error?.code == "remote_id_taken")
        #expect(error?.existingTask == owner)
        #expect(try await world.task(id).state == .uncertain)
    }

    @Test func `a result after a cancellation is logged, and the task can be reopened`() async throws {
        let world = try await EngineWorld()
        let id = try await world.insert(.task(1, state: .running))
        // The reply to a query that was in flight at the cancellation.
        world.provider.play { [world] _ async throws(UpstreamTransportError) in
            _ = try? await world.service.cancel(id)
            return .json(Record.succeeded("remote-1"))
        }
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .cancelled)
        #expect(try await world.kinds(of: id) == ["tracked", "cancelled", "late_result"])
        #expect(try await world.sqlite.taskWithPayload(id)?.payload.response == nil)
        _ = try await world.service.reopen(id)
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.succeeded("remote-1")) }
        _ = try await world.engine.scheduler.step()
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `a cancelled queued task is never sent`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        _ = try await world.service.cancel(id)
        _ = try await world.engine.submitter.step()
        #expect(world.provider.sent.isEmpty)
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.reopen(id) }
        #expect(error?.code == "not_reopenable")
    }

    @Test func `a unique prefix of an id finds its task`() async throws {
        let world = try await EngineWorld()
        let one = try await world.insert(.task(1, at: Timestamp(milliseconds: 0x1111_0000_0000)))
        let two = try await world.insert(.task(2, at: Timestamp(milliseconds: 0x1112_0000_0000)))
        #expect(try await world.service.id(of: "1111") == one)
        #expect(try await world.service.id(of: "1112") == two)
        let error = await #expect(throws: TaskServiceError.self) { _ = try await world.service.id(of: "111") }
        #expect(error?.code == "ambiguous_id")
        for text in ["9", "zzz", "", "%", String(one.text.dropLast()) + "0"] where text != one.text {
            let error = await #expect(throws: TaskServiceError.self) {
                _ = try await world.service.task(world.service.id(of: text))
            }
            #expect(error?.code == "task_not_found", "\(text)")
        }
    }

    // MARK: Codes

    @Test func `errors have the contract's codes`() throws {
        let name = try #require(EndpointName("image/make"))
        let id = TrackedTask.task(1).id
        let expected: [(TaskServiceError, String)] = [
            (.unknownEndpoint("x", nearest: []), "unknown_endpoint"),
            (.synchronousEndpoint(name), "synchronous_endpoint"),
            (.taskNotFound("x"), "task_not_found"), (.ambiguousID("x", candidates: []), "ambiguous_id"),
            (.invalidField("x", problem: "y"), "invalid_field"),
            (.keyConflict(key: "k", existing: id, differences: []), "idempotency_key_reused"),
            (.refused(.needsResolution, .task(1)), "needs_resolution"), (.store(.full), "storage_full"),
            (.store(.readOnly), "storage_read_only"), (.store(.locked), "storage_locked"),
            (.store(.unreachable("x")), "storage_unreachable"),
            (.store(.damaged("x")), "storage_damaged"), (.store(.newer), "storage_newer"),
            (.store(.remoteIDInUse(by: id)), "remote_id_taken"), (.store(.failed("x")), "storage_failed"),
        ]
        for (error, code) in expected { #expect(error.code == code) }
    }

    @Test func `an action that was stored is not reported as one that was not`() async throws {
        let world = try await EngineWorld()
        let id = try await world.submit()
        world.store.afterApply { [store = world.store] _ in
            store.fail { $0.isWrite ? nil : .unreachable("the line is cut") }
        }
        do throws(TaskServiceError) {
            _ = try await world.service.cancel(id)
            Issue.record("the task was read")
        } catch {
            #expect(error.code == "storage_unknown")
        }
        world.store.fail(nil)
        #expect(try await world.task(id).state == .cancelled)
    }

    // MARK: Deadlines

    @Test func `queued and running tasks end at their deadline, uncertain ones do not`() async throws {
        let world = try await EngineWorld()
        let deadline = world.time.now() + .seconds(90)
        let queued = try await world.insert(.task(1, deadline: deadline))
        let running = try await world.insert(.task(2, state: .running, deadline: deadline))
        let uncertain = try await world.insert(.task(3, state: .uncertain, deadline: deadline))
        world.time.advance(by: .seconds(60))
        #expect(try await world.engine.deadlines.step() == deadline)
        #expect(try await world.task(queued).state == .queued)
        world.time.set(to: deadline)
        _ = try await world.engine.deadlines.step()
        #expect(try await world.task(queued).state == .expired)
        #expect(try await world.task(running).state == .expired)
        #expect(try await world.task(uncertain).state == .uncertain)
        _ = try await world.service.reopen(running)
        world.time.advance(by: .seconds(60))
        _ = try await world.engine.deadlines.step()
        #expect(try await world.task(running).state == .running)
    }

    // MARK: Recovery

    @Test func `after a crash submitting tasks are uncertain and others continue`() async throws {
        let world = try await EngineWorld()
        let sending = try await world.insert(.task(1, state: .submitting))
        let queued = try await world.insert(.task(2))
        let running = try await world.insert(.task(3, state: .running))
        try world.database.close()
        let next = try await EngineWorld(time: world.time, from: world)
        try await next.engine.recovery.run()
        #expect(try await next.task(sending).state == .uncertain)
        #expect(try await next.task(sending).failure?.code == "daemon_stopped")
        #expect(try await next.task(sending).attempt?.isProbablyRefused == false)
        #expect(try await next.task(queued).state == .queued)
        #expect(try await next.task(running).state == .running)
        #expect(next.provider.sent.isEmpty)
        next.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted("r-2") : .items(sent.isListing ? [] : [Record.succeeded("remote-3")])
        }
        _ = try await next.engine.submitter.step()
        _ = try await next.engine.reconciler.step()
        _ = try await next.engine.scheduler.step()
        #expect(next.provider.paid.count == 1)
        #expect(try await next.task(running).state == .succeeded)
    }

    @Test func `recovery takes any number of lost attempts`() async throws {
        let world = try await EngineWorld()
        for number in 0..<503 { try await world.insert(.task(number, state: .submitting)) }
        try await world.engine.recovery.run()
        #expect(try await world.sqlite.counts().map(\.state) == [.uncertain])
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
