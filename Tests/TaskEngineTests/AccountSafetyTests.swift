import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

/// Tests several accounts of one provider: nothing is paid twice, and no task gets the result of another one.
@Suite(.timeLimit(.minutes(2))) struct AccountSafetyTests {
    private let start = ManualTimeSource.start

    private func task(
        _ number: Int, _ state: TaskState, _ endpoint: String = "image/make", by account: AccountName,
        policy: UncertainPolicy = .hold, remoteID: String? = nil
    ) -> TrackedTask {
        var task = TrackedTask.task(
            number, state: state, endpoint: endpoint, onUncertain: policy, remoteID: remoteID)
        task.account = account
        return task
    }

    private func listed(_ id: String, _ prompt: String) -> JSONValue {
        Record.listed(id, request: ["prompt": .string(prompt)], at: start + .seconds(1))
    }

    /// Makes each account list these records. An account without any replies with this error.
    private func play(_ world: EngineWorld, _ lists: [String: [JSONValue]], otherwise error: UpstreamReply? = nil) {
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("new-\(sent.account.account)") }
            guard let list = lists[sent.account.account.text] else { return error ?? .error("broken", status: 500) }
            return .items(Array(list.dropFirst(Int(sent.body["offset"]?.number?.integer ?? 0))))
        }
    }

    private func run(_ world: EngineWorld, steps: Int = 30, _ gap: Duration = .seconds(30)) async throws {
        for _ in 0..<steps {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: gap)
        }
    }

    // MARK: An account without a reply

    /// A task whose first attempt was made by `a` and whose second was made by `b` an hour later; both replies were lost.
    private func lostTwice(_ world: EngineWorld, isProbablyRefused: Bool = false) async throws -> TaskID {
        for (number, account) in ["a", "b"].enumerated() {
            try await world.insert(
                task(90 + number, .succeeded, by: AccountName(stored: account), remoteID: "control-\(account)"),
                request: ["prompt": "a dog"])
        }
        let id = try await world.insert(task(1, .uncertain, by: "a", policy: .resubmitIfAbsent))
        let later = start + .seconds(3_600)
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: later, nextDueAt: later)
        _ = try await world.sqlite.apply(
            .submissionStarted(account: "b"), to: id,
            under: LeaseName(ProviderAccount(provider: "testing", account: "b")), at: later, nextDueAt: later)
        let lost = TaskFailure(code: "api_error", message: "The reply was lost.")
        _ = try await world.sqlite.apply(
            .submissionInterrupted(lost, isProbablyRefused: isProbablyRefused), to: id, at: later, nextDueAt: later)
        world.time.set(to: later + .seconds(60))
        return id
    }

    @Test(arguments: ["gone", "broken", "rejected"], [true, false])
    func `an attempt whose account gives no reply is not absent`(how: String, isProbablyRefused: Bool) async throws {
        let world = try await EngineWorld(accounts: (how == "gone" ? [] : [Account("a")]) + [Account("b")])
        let id = try await lostTwice(world, isProbablyRefused: isProbablyRefused)
        play(
            world, ["b": [listed("control-b", "a dog")]],
            otherwise: how == "rejected" ? .error("invalid_token", status: 401) : nil)
        try await run(world)
        #expect(world.provider.paid.isEmpty)
        let task = try await world.task(id)
        #expect(task.state == .uncertain && task.attempts == 2)
        #expect(task.attempt?.absentReadings == 0)
    }

    @Test func `an attempt is absent once every account that may have made it proves that`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        let id = try await lostTwice(world)
        play(world, ["a": [listed("control-a", "a dog")], "b": [listed("control-b", "a dog")]])
        try await run(world)
        #expect(world.provider.paid.count == 1)
        #expect(try await world.task(id).state == .running)
    }

    @Test func `the last reading before a task is sent again needs every account too`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        let id = try await lostTwice(world)
        let now = world.time.now()
        _ = try await world.sqlite.apply(.resubmitted(.resubmittedByPolicy), to: id, at: now, nextDueAt: now)
        play(world, ["b": [listed("control-b", "a dog")]])
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        #expect(try await world.task(id).state == .uncertain)
    }

    // MARK: Two tokens of one user

    @Test func `a record that may belong to another account's attempt is assigned to no task and prevents a proof`()
        async throws
    {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        var shared = [listed("r-1", "a cat")]
        for (number, account) in ["a", "b"].enumerated() {
            for (offset, endpoint) in ["image/make", "image/edit"].enumerated() {
                let id = "control-\(account)-\(offset)"
                try await world.insert(
                    task(
                        90 + 2 * number + offset, .succeeded, endpoint, by: AccountName(stored: account), remoteID: id),
                    request: ["prompt": "a dog"])
                shared.append(listed(id, "a dog"))
            }
        }
        let made = try await world.insert(task(1, .uncertain, "image/make", by: "a", policy: .resubmitIfAbsent))
        let edited = try await world.insert(task(2, .uncertain, "image/edit", by: "b", policy: .resubmitIfAbsent))
        play(world, ["a": shared, "b": shared])
        try await run(world)
        #expect(world.provider.paid.isEmpty)
        for id in [made, edited] {
            let task = try await world.task(id)
            #expect(task.state == .uncertain)
            #expect(task.attempt?.possibleIDs.map(\.text) == ["r-1"])
        }
    }

    // MARK: Unknown accounts

    @Test(arguments: [true, false])
    func `equal attempts of unknown accounts share the records of all lists`(areBothSent: Bool) async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        try await world.insert(task(90, .succeeded, by: "a", remoteID: "control"), request: ["prompt": "a dog"])
        var ids: [TaskID] = []
        for number in 1...2 {
            var lost = task(number, .uncertain, by: .unknown)
            lost.failure = TaskFailure(code: TaskFailure.perhapsSent, message: "It may have been sent.")
            ids.append(try await world.insert(lost))
        }
        for id in areBothSent ? ids : [ids[1]] {
            _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: start, nextDueAt: start)
        }
        play(world, ["a": [listed("control", "a dog"), listed("r-1", "a cat")], "b": [listed("r-2", "a cat")]])
        for _ in 0..<3 { _ = try await world.engine.submitter.step() }
        #expect(world.provider.paid.isEmpty)
        try await run(world, steps: 2)
        var found: [String: AccountName] = [:]
        for id in ids {
            let task = try await world.task(id)
            #expect(task.state == .running)
            found[task.remoteID?.text ?? ""] = task.account
        }
        #expect(found == ["r-1": "a", "r-2": "b"])
    }

    @Test func `a restored task is not sent before each account's list was tried three times`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        var lost = task(1, .uncertain, by: .unknown)
        lost.failure = TaskFailure(code: TaskFailure.perhapsSent, message: "It may have been sent.")
        let id = try await world.insert(lost)
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: start, nextDueAt: start)
        play(world, ["a": []])
        for _ in 0..<2 {
            async let step = world.engine.submitter.step()
            await world.time.untilSleeping()
            world.time.advance(by: .seconds(2))
            _ = try await step
            #expect(world.provider.paid.isEmpty)
        }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(world.provider.queries.count { $0.account.account == "b" } == 3)
    }

    // MARK: A record that a person assigns

    @Test func `a person names the account if several may have sent the task`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        let unknown = try await world.insert(task(2, .uncertain, by: .unknown))
        let twice = try await lostTwice(world)
        for id in [unknown, twice] {
            let error = await #expect(throws: TaskServiceError.self) {
                _ = try await world.service.resolve(id, .adopt(remoteID: "r-\(id)"))
            }
            #expect(error?.message.contains("a, b may have sent the task") ?? false)
            let adopted = try await world.service.resolve(id, .adopt(remoteID: "r-\(id)", account: "a")).task
            #expect(adopted.state == .running && adopted.account == "a")
        }
        await #expect(throws: TaskServiceError.self) {
            _ = try await world.service.resolve(unknown, .adopt(remoteID: "r-9", account: "c"))
        }
        let once = try await world.insert(task(3, .uncertain, by: "b"))
        #expect(try await world.service.resolve(once, .adopt(remoteID: "r-3")).task.account == "b")
    }

    // MARK: Client ids

    private static let ownID = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        codes: {refused_stops_account: [used_up], throttled: [busy]}
        services:
          image:
            listing: none
            endpoints: {make: {own_id: task_id, artefacts: [/response/image_url]}}
        """

    private func resubmittedWithOwnID(_ accounts: [Account]) async throws -> (EngineWorld, TaskID) {
        let world = try await EngineWorld(accounts: accounts, definition: Self.ownID)
        let id = try await world.insert(task(1, .uncertain, by: "a"))
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: id, at: start, nextDueAt: start)
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted(sent.body["task_id"]?.string ?? "") : .error("broken", status: 500)
        }
        return (world, id)
    }

    @Test func `a client id is sent again by the same account, and delays no other task`()
        async throws
    {
        let (world, id) = try await resubmittedWithOwnID([Account("a"), Account("b")])
        let admission = world.service.admission
        await admission.suspend(
            ProviderAccount(provider: "testing", account: "a"), because: TaskFailure(code: "used_up", message: "No."))
        let other = try await world.submit()
        try await run(world, steps: 3)
        #expect(world.provider.paid.map(\.account.account) == ["b"])
        #expect(try await world.task(other).state == .running)
        let waiting = try await world.task(id)
        #expect(waiting.state == .queued && waiting.attempts == 1)
        #expect(await world.service.forecast(of: waiting).waitingFor?.code == "used_up")
        try await world.engine.endpoints.resume("image/make", account: "a")
        try await run(world, steps: 2)
        #expect(world.provider.paid.map(\.account.account) == ["b", "a"])
    }

    @Test func `a client id is sent by another account only if its own was removed from the settings`() async throws {
        let (world, _) = try await resubmittedWithOwnID([Account("b")])
        try await run(world, steps: 2)
        #expect(world.provider.paid.map(\.account.account) == ["b"])
    }

    @Test func `a task that another account knows by its client id is found, and not sent again`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")], definition: Self.ownID)
        let lost = try await world.insert(task(1, .uncertain, by: .unknown, policy: .resubmitIfAbsent))
        _ = try await world.sqlite.apply(.resubmitted(.resubmitted), to: lost, at: start, nextDueAt: start)
        _ = try await world.sqlite.apply(
            .submissionStarted(account: "b"), to: lost,
            under: LeaseName(ProviderAccount(provider: "testing", account: "b")), at: start, nextDueAt: start)
        let failure = TaskFailure(code: "reply_lost", message: "The reply was lost.")
        _ = try await world.sqlite.apply(
            .submissionInterrupted(failure, isProbablyRefused: false), to: lost, at: start, nextDueAt: start)
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard sent.account.account == "a" else { return .json([:]) }
            return .json(["id": sent.body["id"] ?? .null, "status": "running", "request": [:]])
        }
        _ = try await world.engine.reconciler.step()
        let task = try await world.task(lost)
        #expect(task.state == .running && task.account == "a" && task.remoteID?.text == lost.text)
    }

    // MARK: An account that does not work

    @Test func `an account whose submissions fail is used after the others`() async throws {
        let world = try await EngineWorld(accounts: [Account("a"), Account("b")])
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.account.account == "a" { throw .interrupted("timed out") }
            return .accepted("r-\(sent.body["prompt"]?.string ?? "")")
        }
        for number in 1...10 {
            try await world.submit("image/make", JSONObject([("prompt", .string("cat-\(number)"))]))
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(world.provider.paid.count { $0.account.account == "a" } == 1)
    }

    @Test func `the submitter runs again when the backoff of the free account ends`() async throws {
        let world = try await EngineWorld(accounts: [Account("a", maxInFlight: 1), Account("b")])
        try await world.insert(task(2, .running, by: "a"))
        let failure = TaskFailure(code: "busy", message: "Later.", httpStatus: 429)
        await world.service.admission.breakers.failed(
            .submissions(try #require(EndpointName("image/make")), "b"), because: failure, retryAfter: .seconds(2),
            at: world.time.now())
        try await world.submit()
        #expect(try await world.engine.submitter.step() < world.time.now() + .seconds(10))
        #expect(world.provider.paid.isEmpty)
    }
}
