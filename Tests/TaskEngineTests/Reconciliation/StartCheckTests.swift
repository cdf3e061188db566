import ProviderCatalog
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(5))) struct StartCheckTests {
    /// A witness in memory.
    private final class MemoryWitness: Witness {
        private let statement = Mutex<WitnessStatement?>(nil)

        func read() -> WitnessStatement? { statement.withLock { $0 } }
        func write(_ new: WitnessStatement) async throws(TaskStoreError) { statement.withLock { $0 = new } }
        func refresh(_ new: WitnessStatement) async { statement.withLock { $0 = new } }
    }

    /// Starts a daemon with these tasks an hour after an earlier one stopped.
    private func restarted(
        _ tasks: [TrackedTask], hasToken: Bool = true, accounts: [Account]? = nil
    ) async throws -> EngineWorld {
        let witness = MemoryWitness()
        let before = try await EngineWorld(witness: witness)
        try await before.engine.recovery.run()
        for task in tasks { try await before.insert(task) }
        return try await started(
            after: before, at: ManualTimeSource.start + .seconds(3_600), witness, hasToken, accounts: accounts)
    }

    private func started(
        after before: EngineWorld, at start: Timestamp, _ witness: MemoryWitness, _ hasToken: Bool = true,
        accounts: [Account]? = nil
    ) async throws -> EngineWorld {
        let time = ManualTimeSource()
        time.advance(by: start - ManualTimeSource.start)
        let world = try await EngineWorld(
            time: time, hasToken: hasToken, accounts: accounts, from: before, witness: witness)
        try await world.engine.recovery.run()
        return world
    }

    /// Runs the loops for that many steps.
    private func run(_ world: EngineWorld, steps: Int, _ gap: Duration = .seconds(10)) async throws {
        for _ in 0..<steps {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: gap)
        }
    }

    /// Makes the provider accept everything and list these records.
    private func play(_ world: EngineWorld, listing records: [JSONValue]) {
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard !sent.isPaid else {
                return .accepted("new-\((sent.body["prompt"]?.string ?? "").filter { $0 != " " })")
            }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records.dropFirst(offset)))
        }
    }

    private func record(_ id: String, _ prompt: String = "a cat") -> JSONValue {
        Record.listed(id, request: ["prompt": .string(prompt)], at: ManualTimeSource.start + .seconds(1_800))
    }

    /// The kinds of the daemon entries in the log.
    private func daemonEvents(_ world: EngineWorld) async throws -> [String] {
        try await world.sqlite.log.read(after: 0, limit: 1_000).compactMap { event in
            if case .daemon(let event, _) = event { event.kind } else { nil }
        }
    }

    @Test func `a task queued at the start waits for the list, and a later one does not`() async throws {
        let world = try await restarted([.task(1)])
        let later = try await world.submit("image/make", JSONObject([("prompt", "a dog")]))
        play(world, listing: [])
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.map { $0.body["prompt"]?.string } == ["a dog"])
        #expect(try await world.task(later).state == .running)
        let old = try #require(try await world.sqlite.tasks(in: .queued, limit: 2).first)
        #expect(await world.service.forecast(of: old).waitingFor?.code == "start_check")
        _ = try await world.engine.reconciler.step()
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(old.id).state == .running)
        #expect(try await daemonEvents(world).isEmpty)
    }

    @Test func `a task whose record is listed is not sent`() async throws {
        let world = try await restarted([.task(1)])
        play(world, listing: [record("r-1")])
        for _ in 1...3 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(10))
        }
        #expect(world.provider.paid.isEmpty)
        let task = try #require(try await world.sqlite.tasks(in: .running, limit: 1).first)
        #expect(task.remoteID?.text == "r-1")
        #expect(try await world.kinds(of: task.id).suffix(2) == ["perhaps_sent", "found_in_list"])
    }

    @Test func `a queued task with a possible record waits for a person`() async throws {
        let world = try await restarted([.task(1)])
        play(world, listing: [record("r-1", "a c")])
        for _ in 1...3 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(60))
        }
        #expect(world.provider.paid.isEmpty)
        let task = try #require(try await world.sqlite.tasks(in: .uncertain, limit: 1).first)
        #expect(task.attempt?.possibleIDs.map(\.text) == ["r-1"])
    }

    @Test func `a record that may be a lost attempt's does not block other tasks`() async throws {
        var lost = TrackedTask.task(1, state: .uncertain)
        lost.attempt = lost.attempt?.started(at: ManualTimeSource.start + .seconds(1_790))
        lost.attempt?.endedAt = ManualTimeSource.start + .seconds(1_810)
        let world = try await restarted([lost, .task(2)])
        // The echo is too short to find the lost task.
        play(world, listing: [record("r-1", "a c")])
        for _ in 1...2 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(10))
        }
        #expect(world.provider.paid.count == 1)
    }

    @Test func `without a list tasks are sent unchecked, and that is logged`() async throws {
        let world = try await restarted([.task(1, endpoint: "single/make")])
        play(world, listing: [])
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        #expect(try await daemonEvents(world) == ["start_not_checked"])
    }

    @Test func `after three failed readings tasks are sent unchecked`() async throws {
        let world = try await restarted([.task(1)])
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted("r-1") : .error("broken", status: 500)
        }
        var readings = 0
        for _ in 1...400 where world.provider.paid.isEmpty {
            _ = try await world.engine.reconciler.step()
            readings = world.provider.queries.count
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(1))
        }
        #expect(readings == 3)
        #expect(world.provider.paid.count == 1)
        #expect(try await daemonEvents(world) == ["start_not_checked"])
    }

    @Test(arguments: [["a", "b"], ["b", "a"], ["b"]])
    func `a record in the list of any account shows that the task was sent`(accounts: [String]) async throws {
        let world = try await restarted([.task(1)], accounts: accounts.map { Account(AccountName(stored: $0)) })
        world.provider.play { [record] sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("new") }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(sent.account.account == "b" ? Array([record("r-1", "a cat")].dropFirst(offset)) : [])
        }
        for _ in 1...3 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(10))
        }
        #expect(world.provider.paid.isEmpty)
        let task = try #require(try await world.sqlite.tasks(in: .running, limit: 1).first)
        #expect(task.remoteID?.text == "r-1" && task.account == "b")
        #expect(Set(world.provider.queries.map(\.account.account.text)).isSuperset(of: accounts))
    }

    @Test func `the tasks wait while an account with a token has no connection`() async throws {
        let world = try await restarted(
            [.task(1)], accounts: [Account("a"), Account("b"), Account("c", hasToken: false)])
        let isConnected = Mutex(false)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("new") }
            guard sent.account.account == "a" || isConnected.withLock({ $0 }) else {
                throw .notSent("connection refused")
            }
            return .items([])
        }
        func run() async throws {
            for _ in 1...100 {
                _ = try await world.engine.reconciler.step()
                _ = try await world.engine.submitter.step()
                world.time.advance(by: .seconds(2))
            }
        }
        try await run()
        #expect(Set(world.provider.queries.map(\.account.account)) == ["a", "b"])
        #expect(world.provider.paid.isEmpty)
        isConnected.withLock { $0 = true }
        try await run()
        #expect(world.provider.paid.count == 1)
        // The account without a token may have sent it too.
        #expect(try await daemonEvents(world) == ["start_not_checked"])
    }

    @Test(arguments: [["a", "b"], ["b", "a"]])
    func `an account that is throttled for an hour does not delay the tasks for an hour`(accounts: [String])
        async throws
    {
        let world = try await restarted([.task(1)], accounts: accounts.map { Account(AccountName(stored: $0)) })
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("new") }
            return sent.account.account == "a"
                ? .items([]) : .error("busy", status: 429, retryAfter: .seconds(3_600))
        }
        try await run(world, steps: 12)
        #expect(world.provider.paid.count == 1)
        let lines = try await world.sqlite.log.read(after: 0, limit: 1_000).compactMap { event in
            if case .daemon(let event, _) = event { event.detail["message"]?.string } else { nil }
        }
        #expect(lines == ["the list of account b could not be read"])
    }

    @Test func `an account that the last process used is read even if the settings lack it`() async throws {
        let witness = MemoryWitness()
        let before = try await EngineWorld(accounts: [Account("a"), Account("spare")], witness: witness)
        try await before.engine.recovery.run()
        try await before.insert(.task(1))
        let names = ["a", "spare"].map {
            LeaseName(ProviderAccount(provider: "testing", account: AccountName(stored: $0)))
        }
        _ = try await before.sqlite.acquire(names, at: before.time.now())
        let world = try await started(
            after: before, at: ManualTimeSource.start + .seconds(3_600), witness, accounts: [Account("a")])
        play(world, listing: [])
        try await run(world, steps: 2)
        #expect(world.provider.paid.isEmpty)
        try await run(world, steps: 10)
        #expect(world.provider.paid.count == 1)
        #expect(try await daemonEvents(world) == ["start_not_checked"])
        // It is forgotten once a process has run without it.
        try await world.insert(.task(2))
        let next = try await started(
            after: world, at: ManualTimeSource.start + .seconds(90_000), witness, accounts: [Account("a")])
        play(next, listing: [])
        try await run(next, steps: 2)
        #expect(next.provider.paid.count == 1)
    }

    @Test func `a lost attempt of one account does not explain a record in the list of another`() async throws {
        var lost = TrackedTask.task(1, state: .uncertain)
        lost.account = "a"
        lost.attempt = lost.attempt?.started(at: ManualTimeSource.start + .seconds(1_790))
        lost.attempt?.endedAt = ManualTimeSource.start + .seconds(1_810)
        let world = try await restarted([lost, .task(2)], accounts: [Account("a"), Account("b")])
        world.provider.play { [record] sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("new") }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            // Too little is echoed to find a task.
            return .items(sent.account.account == "b" ? Array([record("r-1", "a c")].dropFirst(offset)) : [])
        }
        for _ in 1...3 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(10))
        }
        #expect(world.provider.paid.isEmpty)
        let task = try await world.task(TrackedTask.task(2).id)
        #expect(task.state == .uncertain && task.account == .unknown)
        #expect(task.attempt?.possibleIDs.map(\.text) == ["r-1"])
    }

    @Test func `without a connection the tasks wait`() async throws {
        let world = try await restarted([.task(1)])
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("r-1") }
            throw .notSent("connection refused")
        }
        for _ in 1...300 {
            _ = try await world.engine.reconciler.step()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(2))
        }
        #expect(world.provider.queries.count > 3)
        #expect(world.provider.paid.isEmpty)
    }

    @Test func `a start checks from the last stop that was not yet checked`()
        async throws
    {
        let witness = MemoryWitness()
        let before = try await EngineWorld(witness: witness)
        try await before.engine.recovery.run()
        try await before.insert(.task(1))
        // The first start has no connection and is followed by another one.
        let first = try await started(after: before, at: ManualTimeSource.start + .seconds(3_600), witness)
        let second = try await started(after: first, at: ManualTimeSource.start + .seconds(7_200), witness)
        play(second, listing: [record("r-1")])
        try await run(second, steps: 3)
        #expect(second.provider.paid.isEmpty)
        #expect(try await second.sqlite.tasks(in: .running, limit: 1).first?.remoteID?.text == "r-1")
        // After a check the next start reads only from its own stop.
        try await second.insert(.task(2))
        let third = try await started(after: second, at: ManualTimeSource.start + .seconds(90_000), witness)
        play(third, listing: [record("r-2")])
        try await run(third, steps: 3)
        #expect(third.provider.paid.count == 1)
    }

    @Test func `a list with a different clock does not end the check`() async throws {
        let world = try await restarted([.task(1)])
        let ahead = ManualTimeSource.start + .seconds(90_000)
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("r-1") }
            let page = UpstreamReply.items([])
            return UpstreamReply(status: 200, date: ahead, body: page.body)
        }
        try await run(world, steps: 2, .seconds(5))
        #expect(world.provider.paid.isEmpty)
        try await run(world, steps: 20)
        #expect(world.provider.paid.count == 1)
        #expect(try await daemonEvents(world) == ["start_not_checked"])
    }

    @Test func `a clock set back does not delay the next reading`() async throws {
        let world = try await restarted([.task(1)])
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("r-1") }
            throw .notSent("connection refused")
        }
        _ = try await world.engine.reconciler.step()
        world.time.setWallClock(by: .seconds(-1_800))
        play(world, listing: [])
        try await run(world, steps: 12)
        #expect(world.provider.paid.count == 1)
    }

    @Test func `without credentials tasks wait, and nothing is queried`() async throws {
        let world = try await restarted([.task(1)], hasToken: false)
        play(world, listing: [])
        #expect(try await world.engine.reconciler.step() >= world.time.now() + .seconds(30))
        #expect(world.provider.queries.isEmpty)
        #expect(try await daemonEvents(world).isEmpty)
    }

    @Test func `refused credentials do not count as a reading`() async throws {
        let world = try await restarted([.task(1)])
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.isPaid ? .accepted("r-1") : .error("invalid_token", status: 401)
        }
        try await run(world, steps: 30)
        #expect(world.provider.paid.isEmpty)
        #expect(try await daemonEvents(world).isEmpty)
    }

    @Test func `a connection lost between two pages does not count as a reading`() async throws {
        let world = try await restarted([.task(1)])
        let other = record("r-9", "something else altogether, which is long enough to be told apart")
        world.provider.play { sent async throws(UpstreamTransportError) in
            if sent.isPaid { return .accepted("r-1") }
            if Int(sent.body["offset"]?.number?.integer ?? 0) > 0 { throw .interrupted("connection reset") }
            return .items([other])
        }
        try await world.insert(.task(90, state: .succeeded, remoteID: "r-9"))
        try await world.passingTime { try await run(world, steps: 60) }
        #expect(world.provider.paid.isEmpty)
        #expect(try await daemonEvents(world).isEmpty)
    }
}
