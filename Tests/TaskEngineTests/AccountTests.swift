import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

/// Tests several accounts of one provider: which one sends and polls a task, and the effects of an account that fails.
@Suite(.timeLimit(.minutes(2))) struct AccountTests {
    private let start = ManualTimeSource.start

    private func world(_ accounts: [Account] = [Account("a"), Account("b")]) async throws -> EngineWorld {
        try await EngineWorld(accounts: accounts)
    }

    private func uncertain(_ number: Int, by account: AccountName, policy: UncertainPolicy = .hold) -> TrackedTask {
        var task = TrackedTask.task(number, state: .uncertain, onUncertain: policy)
        task.account = account
        return task
    }

    private func listed(_ id: String, _ prompt: String) -> JSONValue {
        Record.listed(id, request: ["prompt": .string(prompt)], at: start + .seconds(1))
    }

    /// The number of tasks that each account has sent.
    private func counts(_ world: EngineWorld) -> [String: Int] {
        world.provider.paid.reduce(into: [:]) { $0[$1.account.account.text, default: 0] += 1 }
    }

    // MARK: The sending account

    @Test func `a task goes to the account with the most room, and its attempt names that account`() async throws {
        let world = try await world([Account("a", maxInFlight: 1), Account("b")])
        world.provider.play { sent async throws(UpstreamTransportError) in
            .accepted("r-\(sent.body["prompt"]?.string ?? "")")
        }
        var ids: [TaskID] = []
        for number in 1...4 {
            ids.append(try await world.submit("capped/a", JSONObject([("prompt", .string("cat-\(number)"))])))
        }
        _ = try await world.engine.submitter.step()
        #expect(counts(world) == ["a": 1, "b": 2])
        for sent in world.provider.paid {
            let id = try #require(
                ids.first { sent.body["prompt"]?.string == "cat-\((ids.firstIndex(of: $0) ?? 0) + 1)" })
            #expect(try await world.task(id).account == sent.account.account)
        }
        #expect(await world.service.forecast(of: try await world.task(ids[3])).waitingFor?.code == "in_flight_limit")
        let report = try await world.engine.endpoints.report().providers.first { $0.name == "testing" }
        #expect(report?.accounts.map(\.inFlight) == [1, 2])
    }

    @Test func `the log names the account of each attempt`() async throws {
        let world = try await world()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let events = try await world.sqlite.events(of: id, after: 0, limit: 9)
        let start = events.first { $0.entry.kind == "submission_started" }
        #expect(start?.entry.detail["account"] == "a")
    }

    @Test(arguments: ["used_up", "invalid_token"])
    func `a rejected account is paused alone, and its task and the queue go to the others`(code: String)
        async throws
    {
        let world = try await world()
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.account.account == "a"
                ? .error(code, status: 401) : .accepted("r-\(sent.body["prompt"]?.string ?? "")")
        }
        var ids: [TaskID] = []
        for number in 1...5 {
            ids.append(try await world.submit("image/make", JSONObject([("prompt", .string("cat-\(number)"))])))
        }
        for _ in 0..<5 { _ = try await world.engine.submitter.step() }
        for id in ids {
            let task = try await world.task(id)
            #expect(task.state == .running && task.account == "b")
        }
        let report = try await world.engine.endpoints.report().providers.first { $0.name == "testing" }
        #expect(report?.accounts.map { $0.pauseReason?.hasPrefix(code) } == [true, nil])
        #expect(report?.pauseReason == nil)
        #expect(try await world.engine.endpoints.endpoint("image/make").block == nil)
        // A person resumes it.
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-last") }
        try await world.engine.endpoints.resume("image/make")
        let last = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(last).account == "a")
    }

    @Test func `if no other account works, a refusal fails the task as with one account`() async throws {
        let world = try await world()
        world.provider.play { _ async throws(UpstreamTransportError) in .error("used_up", status: 403) }
        let first = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).state == .queued)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(first).failure?.code == "used_up")
        #expect(try await world.task(first).state == .failed)
        let second = try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(await world.service.forecast(of: try await world.task(second)).waitingFor?.code == "used_up")
        #expect(counts(world) == ["a": 1, "b": 1])
    }

    @Test func `a throttled account backs off alone`() async throws {
        let world = try await world()
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.account.account == "a"
                ? .error("busy", status: 429, retryAfter: .seconds(50))
                : .accepted("r-\(sent.body["prompt"]?.string ?? "")")
        }
        for number in 1...4 {
            try await world.submit("image/make", JSONObject([("prompt", .string("cat-\(number)"))]))
        }
        for _ in 0..<4 { _ = try await world.engine.submitter.step() }
        #expect(try await world.sqlite.counts().filter { $0.state == .running }.map(\.count) == [4])
        #expect(counts(world)["b"] == 4)
    }

    // MARK: The polling account

    @Test func `each account polls its own tasks, even if it is paused`() async throws {
        let world = try await world()
        for (number, account) in ["a", "a", "b"].enumerated() {
            var task = TrackedTask.task(number, state: .running, remoteID: "r-\(account)-\(number)")
            task.account = try #require(AccountName(account))
            try await world.insert(task)
        }
        await world.service.admission.suspend(
            ProviderAccount(provider: "testing", account: "a"), because: TaskFailure(code: "used_up", message: "No."))
        world.provider.play { sent async throws(UpstreamTransportError) in
            let ids = sent.ids.isEmpty ? [sent.body["id"]?.string ?? ""] : sent.ids
            return sent.ids.isEmpty ? .json(Record.succeeded(ids[0])) : .items(ids.map { Record.succeeded($0) })
        }
        world.time.advance(by: .seconds(120))
        for _ in 0..<3 { _ = try await world.engine.scheduler.step() }
        #expect(try await world.sqlite.counts().filter { $0.count > 0 }.map(\.state) == [.succeeded])
        for sent in world.provider.queries {
            let ids = sent.ids.isEmpty ? [sent.body["id"]?.string ?? ""] : sent.ids
            #expect(ids.allSatisfy { $0.hasPrefix("r-\(sent.account.account)-") })
        }
    }

    @Test func `a failing service of one account does not delay the others`() async throws {
        let world = try await world()
        for (number, account) in ["a", "b"].enumerated() {
            var task = TrackedTask.task(number, state: .running, remoteID: "r-\(account)")
            task.account = try #require(AccountName(account))
            try await world.insert(task)
        }
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.account.account == "a" ? .error("invalid_token", status: 401) : .json(Record.succeeded("r-b"))
        }
        world.time.advance(by: .seconds(120))
        for _ in 0..<3 { _ = try await world.engine.scheduler.step() }
        #expect(try await world.task(TrackedTask.task(1).id).state == .succeeded)
        #expect(try await world.task(TrackedTask.task(0).id).state == .running)
    }

    @Test func `a tracked task is polled with the account that a person names`() async throws {
        let world = try await world()
        world.provider.play { _ async throws(UpstreamTransportError) in .json(Record.pending("r-1")) }
        let task = try await world.service.adopt(
            endpoint: "image/make", remoteID: "r-1", account: "b", labels: [:], priority: 0, deadline: nil)
        #expect(task.task.task.account == "b")
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.queries.map(\.account.account) == ["b"])
        await #expect(throws: TaskServiceError.self) {
            try await world.service.adopt(
                endpoint: "image/make", remoteID: "r-2", account: "c", labels: [:], priority: 0, deadline: nil)
        }
    }

    @Test func `tasks of an account removed from the settings wait with a reason`() async throws {
        let world = try await world()
        var running = TrackedTask.task(1, state: .running)
        running.account = "gone"
        try await world.insert(running)
        try await world.insert(uncertain(2, by: "gone"))
        world.time.advance(by: .seconds(120))
        _ = try await world.engine.scheduler.step()
        _ = try await world.engine.reconciler.step()
        #expect(world.provider.sent.isEmpty)
        for number in 1...2 {
            let task = try await world.task(TrackedTask.task(number).id)
            let reason = await world.service.forecast(of: task).waitingFor
            #expect(reason?.code == "account_gone" && reason?.message.contains("gone") ?? false)
        }
        let back = try await EngineWorld(accounts: [Account("a"), Account("gone")], from: world)
        back.time.advance(by: .seconds(300))
        back.provider.play { _ async throws(UpstreamTransportError) in .json(Record.succeeded("remote-1")) }
        _ = try await back.engine.scheduler.step()
        #expect(try await back.task(running.id).state == .succeeded)
    }

    // MARK: The owner of a record

    @Test func `two tokens of one user never take each other's tasks`() async throws {
        let world = try await world()
        var owned = TrackedTask.task(5, state: .running, remoteID: "r-b")
        owned.account = "b"
        try await world.insert(owned)
        let lost = try await world.insert(uncertain(1, by: "a"))
        world.provider.play { [listed] _ async throws(UpstreamTransportError) in .items([listed("r-b", "a cat")]) }
        _ = try await world.engine.reconciler.step()
        #expect(try await world.task(lost).state == .uncertain)
        #expect(try await world.task(lost).remoteID == nil)
    }

    @Test func `a lost attempt is searched by its own account, which then polls it`() async throws {
        let world = try await world()
        let lost = try await world.insert(uncertain(1, by: "b"))
        world.provider.play { [listed] sent async throws(UpstreamTransportError) in
            .items(sent.account.account == "b" ? [listed("r-1", "a cat")] : [])
        }
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(lost)
        #expect(task.state == .running && task.account == "b")
        #expect(Set(world.provider.queries.map(\.account.account)) == ["b"])
    }

    @Test func `a control of another account proves no absence`() async throws {
        let world = try await world()
        var control = TrackedTask.task(90, state: .succeeded, remoteID: "control")
        control.account = "b"
        try await world.insert(control, request: ["prompt": "a dog"])
        let lost = try await world.insert(uncertain(1, by: "a", policy: .resubmitIfAbsent))
        world.provider.play { [listed] sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array([listed("control", "a dog")].dropFirst(offset)))
        }
        for _ in 0..<5 {
            _ = try await world.engine.reconciler.step()
            world.time.advance(by: .seconds(90))
        }
        #expect(try await world.task(lost).state == .uncertain)
        #expect(try await world.task(lost).attempt?.absentReadings == 0)
    }

    @Test func `an attempt of an unknown account is searched in every account`() async throws {
        let world = try await world()
        let lost = try await world.insert(uncertain(1, by: .unknown))
        world.provider.play { [listed] sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(sent.account.account == "b" ? Array([listed("r-1", "a cat")].dropFirst(offset)) : [])
        }
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(lost)
        #expect(task.state == .running && task.remoteID?.text == "r-1" && task.account == "b")
        #expect(Set(world.provider.queries.map(\.account.account)) == ["a", "b"])
    }

    @Test func `a late reply gives the task the account of its attempt`() async throws {
        let world = try await world()
        // Its first attempt was made by b and given up; the second is being sent by a.
        var task = uncertain(1, by: "b")
        task.onUncertain = .hold
        let id = try await world.insert(task)
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: start, nextDueAt: start)
        _ = try await world.sqlite.apply(
            .submissionStarted(account: "a"), to: id,
            under: LeaseName(ProviderAccount(provider: "testing", account: "a")), at: start, nextDueAt: start)
        #expect(try await world.task(id).account == "a")
        let remoteID = try #require(RemoteTaskID("r-b"))
        _ = try await world.sqlite.apply(
            .calledBack(CallbackDelivery(attempt: 1, remoteID: remoteID)), to: id, at: start, nextDueAt: nil)
        _ = try await world.sqlite.apply(
            .submissionRefused(TaskFailure(code: "bad_request", message: "No.")), to: id, at: start, nextDueAt: nil)
        let running = try await world.task(id)
        #expect(running.state == .running && running.remoteID == remoteID && running.account == "b")
    }
}
