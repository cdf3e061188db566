import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the comparison of the providers' lists with the tasks.
@Suite(.timeLimit(.minutes(2))) struct ReconcileTests {
    private let start = ManualTimeSource.start
    /// Long after the tasks, so that each is listed if the provider has it.
    private static let later = Duration.seconds(7_200)

    private func record(
        _ id: String, _ request: JSONValue? = ["prompt": "a cat"], at time: Timestamp? = ManualTimeSource.start,
        type: String? = nil
    ) -> JSONValue {
        Record.listed(id, request: request, at: time, type: type)
    }

    /// Makes the accounts list these records of the service `image`, and nothing of the others.
    private func play(_ world: EngineWorld, _ lists: [AccountName: [JSONValue]], pages: Int = 50) {
        world.provider.play { sent async throws(UpstreamTransportError) in
            guard sent.isListing else { return .error("bad_request", status: 400) }
            let records = sent.request.path.contains("image") ? lists[sent.account.account] ?? [] : []
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records.dropFirst(offset).prefix(pages)))
        }
    }

    private func play(_ world: EngineWorld, _ records: [JSONValue]) { play(world, [.default: records]) }

    /// A world with these tasks, two hours later.
    private func world(
        _ tasks: [TrackedTask], accounts: [Account]? = nil, limits: EngineLimits = EngineLimits(),
        definition: String = EngineWorld.definition
    ) async throws -> EngineWorld {
        let world = try await EngineWorld(limits: limits, accounts: accounts, definition: definition)
        for task in tasks { try await world.insert(task) }
        world.time.advance(by: Self.later)
        return world
    }

    private func run(_ world: EngineWorld, adopts: Bool = false) async throws -> ReconcileReport {
        try await world.passingTime { try await world.engine.reconciliation.run(adopts: adopts) }
    }

    // MARK: The four classes

    @Test func `records with and without a task, and tasks without a record, are told apart`() async throws {
        let world = try await world([
            .task(1, state: .succeeded, remoteID: "r-1"), .task(2, state: .running, remoteID: "r-2"),
            .task(3, state: .succeeded, remoteID: "deleted"),
        ])
        play(world, [record("r-1"), record("r-2"), record("stranger", ["prompt": "what others want"])])
        let report = try await run(world)
        #expect(report.known == 2 && report.unjudged == 0 && report.inFlight == 0)
        #expect(report.orphans.map(\.remoteID.text) == ["stranger"])
        #expect(report.orphans.first?.prompt == "what others want")
        #expect(report.ghosts.map(\.remoteID.text) == ["deleted"])
        #expect(report.ghosts.first?.task == TrackedTask.task(3).id)
        #expect(!report.agrees && report.isComplete)
        #expect(world.provider.paid.isEmpty)
        // The service without a list is named.
        let none = report.lists.filter { $0.condition == .unlisted }
        #expect(none.map(\.services) == [["single"]])
    }

    @Test func `equal lists and tasks agree`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "r-1")])
        play(world, [record("r-1")])
        let report = try await run(world)
        #expect(report.agrees && report.isComplete)
    }

    @Test func `the result is a line of the log`() async throws {
        let world = try await world([])
        play(world, [record("stranger")])
        _ = try await run(world)
        let events = try await world.sqlite.log.read(after: 0, limit: 100).compactMap { event in
            if case .daemon(let event, _) = event { event } else { nil }
        }
        let event = try #require(events.first { $0.kind == "reconciled" })
        #expect(event.detail["orphans"] == 1 && event.detail["ghosts"] == 0 && event.detail["complete"] == true)
        #expect(event.detail["scheduled"] == false && event.detail["without_list"] == ["testing"])
    }

    // MARK: What is no orphan

    @Test func `the id of a task without details is known`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "r-1")])
        _ = try await world.sqlite.removeDetails(of: TrackedTask.task(1).id, at: world.time.now())
        play(world, [record("r-1")])
        #expect(try await run(world).agrees)
    }

    @Test func `a record that a task may be about to get is no orphan`() async throws {
        let world = try await world([])
        let now = world.time.now()
        try await world.insert(.task(1, state: .submitting, at: now))
        play(
            world,
            [record("fresh", at: now + .seconds(1)), record("old", at: now - .seconds(3_600)), record("when", at: nil)])
        let report = try await run(world)
        #expect(report.inFlight == 2)
        #expect(report.orphans.map(\.remoteID.text) == ["old"])
    }

    @Test func `a task that gets its id while the list is read is known`() async throws {
        let world = try await world([])
        let submitting = TrackedTask.task(1, state: .submitting, at: world.time.now())
        let id = try #require(RemoteTaskID("new"))
        try await world.insert(submitting)
        world.provider.play { [world, record] sent async throws(UpstreamTransportError) in
            guard sent.request.path.contains("image") else { return .items([]) }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            if offset > 0 {
                _ = try? await world.sqlite.apply(
                    .submissionAccepted(id, traceID: nil, pollURL: nil), to: submitting.id, at: world.time.now(),
                    nextDueAt: world.time.now())
            }
            return .items(Array([record("new", ["prompt": "a cat"], world.time.now(), nil)].dropFirst(offset)))
        }
        let report = try await run(world)
        #expect(report.agrees && report.known == 1)
    }

    @Test func `records from before the period are no orphans`() async throws {
        let world = try await world([])
        play(world, [record("old", at: start - .seconds(86_400)), record("new")])
        #expect(try await run(world).orphans.map(\.remoteID.text) == ["new"])
    }

    // MARK: What is no ghost

    @Test func `a task that was sent recently may be listed late`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "r-1")])
        try await world.insert(.task(2, state: .running, at: world.time.now() - .seconds(590), remoteID: "late"))
        play(world, [record("r-1")])
        let report = try await run(world)
        #expect(report.ghosts.isEmpty && report.unjudged == 1 && report.agrees)
    }

    @Test func `a list that does not reach back to a task says nothing about it`() async throws {
        let world = try await world([
            .task(1, state: .succeeded, remoteID: "gone"),
            .task(2, state: .succeeded, at: start + .seconds(1_800), remoteID: "r-2"),
        ])
        play(world, [record("r-2", at: start + .seconds(1_800))])
        let report = try await run(world)
        #expect(report.ghosts.isEmpty && report.unjudged == 1)
        // A record from before the period shows that the list reaches back.
        play(world, [record("r-2", at: start + .seconds(1_800)), record("older", at: start - .seconds(86_400))])
        #expect(try await run(world).ghosts.map(\.remoteID.text) == ["gone"])
    }

    @Test func `an incomplete list shows orphans and no ghosts`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "gone")])
        world.provider.play { [record] sent async throws(UpstreamTransportError) in
            guard sent.request.path.contains("image") else { return .items([]) }
            guard (sent.body["offset"]?.number?.integer ?? 0) == 0 else { return .error("api_error", status: 500) }
            return .items([record("stranger", ["prompt": "a dog"], ManualTimeSource.start, nil)])
        }
        let report = try await run(world)
        #expect(report.ghosts.isEmpty && report.unjudged == 1)
        #expect(report.orphans.map(\.remoteID.text) == ["stranger"])
        #expect(!report.isComplete)
        #expect(report.lists.first { $0.services == ["image"] }?.condition == .incomplete)
    }

    @Test func `a list that cannot be read is named`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "gone")])
        world.provider.play { sent async throws(UpstreamTransportError) in
            sent.request.path.contains("image") ? .error("api_error", status: 500) : .items([])
        }
        let report = try await run(world)
        #expect(report.agrees && !report.isComplete && report.unjudged == 1)
        #expect(report.lists.first { $0.services == ["image"] }?.condition == .unread)
    }

    @Test func `a list with another clock shows no ghosts`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "gone")])
        world.provider.play { [world, record] sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            let records = sent.request.path.contains("image") ? [record("r", nil, ManualTimeSource.start, nil)] : []
            return UpstreamReply(
                status: 200, date: world.time.now() + .seconds(180),
                body: (["items": .array(Array(records.dropFirst(offset)))] as JSONValue).utf8)
        }
        let report = try await run(world)
        #expect(report.ghosts.isEmpty && report.unjudged == 1)
    }

    @Test func `tracked, lost and forgotten tasks are no ghosts`() async throws {
        var tracked = TrackedTask.task(1, state: .running, remoteID: "tracked")
        tracked.attempts = 0
        var forgotten = TrackedTask.task(2, state: .failed, remoteID: "forgotten")
        forgotten.failure = .remoteTaskNotFound
        let world = try await world([tracked, forgotten, .task(3, state: .uncertain), .task(4, state: .queued)])
        play(world, [record("other")])
        let report = try await run(world)
        #expect(report.ghosts.isEmpty && report.unjudged == 0)
    }

    // MARK: Accounts

    private static let accounts = ["first", "second"].map { Account(AccountName(stored: $0)) }

    private func task(_ number: Int, _ account: String, _ remoteID: String) -> TrackedTask {
        var task = TrackedTask.task(number, state: .succeeded, remoteID: remoteID)
        task.account = AccountName(stored: account)
        return task
    }

    @Test func `two tokens of one user show each record once, and a record has one owner`() async throws {
        let world = try await world([task(1, "first", "r-1")], accounts: Self.accounts)
        let records = [record("r-1"), record("stranger")]
        play(world, ["first": records, "second": records])
        let report = try await run(world)
        #expect(report.known == 1 && report.ghosts.isEmpty)
        #expect(report.orphans.map(\.remoteID.text) == ["stranger"])
        #expect(report.orphans.first?.account == "first")
    }

    @Test func `a task is a ghost by the list of its own account`() async throws {
        let tasks = [task(1, "first", "gone"), task(2, "second", "gone-too")]
        let world = try await world(tasks, accounts: Self.accounts)
        world.provider.play { [record] sent async throws(UpstreamTransportError) in
            if sent.account.account == "second" { return .error("api_error", status: 500) }
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            let records = sent.request.path.contains("image") ? [record("r", nil, ManualTimeSource.start, nil)] : []
            return .items(Array(records.dropFirst(offset)))
        }
        let report = try await run(world)
        #expect(report.ghosts.map(\.remoteID.text) == ["gone"])
        #expect(report.unjudged == 1)
        #expect(!report.isComplete)
    }

    // MARK: Adoption

    @Test func `adoption tracks orphans, once, and pays nothing`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "r-1")])
        play(world, [record("r-1"), record("stranger")])
        let report = try await run(world, adopts: true)
        let id = try #require(report.orphans.first?.task)
        let adopted = try await world.task(id)
        #expect(adopted.state == .running && adopted.remoteID?.text == "stranger" && adopted.attempts == 0)
        #expect(try await world.kinds(of: id) == ["tracked"])
        #expect(world.provider.paid.isEmpty)
        let again = try await run(world, adopts: true)
        #expect(again.agrees && again.known == 2)
    }

    @Test func `an orphan names the uncertain task whose request it may be`() async throws {
        let uncertain = TrackedTask.task(1, state: .uncertain, at: start)
        let world = try await world([uncertain])
        play(world, [record("maybe", ["prompt": "another"], at: start), record("later", at: start + .seconds(3_600))])
        let report = try await run(world, adopts: true)
        #expect(report.orphans.first { $0.remoteID.text == "maybe" }?.uncertain == [uncertain.id])
        #expect(report.orphans.first { $0.remoteID.text == "later" }?.uncertain == [])
        // As `pollux track` does, it leaves the uncertain task to the person.
        #expect(try await world.task(uncertain.id).state == .uncertain)
    }

    @Test func `an unknown provider and a future time are refused`() async throws {
        let world = try await world([])
        await #expect(throws: TaskServiceError.self) {
            try await world.engine.reconciliation.run(provider: "nobody")
        }
        await #expect(throws: TaskServiceError.self) {
            try await world.engine.reconciliation.run(since: world.time.now() + .seconds(1))
        }
    }

    // MARK: Prices

    /// A world with these tasks, accepted as `r-1`, `r-2` …: the estimate is 1 USD, and each record but nil ends its task.
    private func pricedWorld(_ ends: [JSONValue?]) async throws -> (world: EngineWorld, ids: [TaskID]) {
        let priced = EngineWorld.definition.replacing(
            "      make: {typical_seconds: 40, upper_seconds: 90}",
            with:
                "      make: {price: {unit: USD, fixed: 1, from_record: /cost}, typical_seconds: 40, upper_seconds: 90}"
        )
        let world = try await world([], definition: priced)
        var ids: [TaskID] = []
        for (number, end) in ends.enumerated() {
            world.provider.enqueue(.accepted("r-\(number + 1)"))
            ids.append(try await world.submit())
            _ = try await world.engine.submitter.step()
            guard let end else { continue }
            _ = try await world.sqlite.apply(
                .observed(Observation(.succeeded(partial: false), record: end)), to: ids[number], at: world.time.now(),
                nextDueAt: nil)
        }
        return (world, ids)
    }

    private func priced(_ id: String, _ cost: JSONValue, at time: Timestamp) throws -> JSONValue {
        var record = try #require(record(id, at: time).object)
        record["cost"] = cost
        return .object(record)
    }

    @Test func `records that cost something else than the ledger says are shown`() async throws {
        let (world, ids) = try await pricedWorld([[:], ["cost": "0.5"], [:], nil, nil, ["cost": 2]])
        _ = try await world.service.cancel(ids[3])
        let now = world.time.now()
        let costs = try #require(try JSONValue(parsing: #"[1.25, 0.5, {}, "0.75", 7, 2]"#).array)
        play(world, try costs.enumerated().map { try priced("r-\($0.offset + 1)", $0.element, at: now) })
        let report = try await run(world)
        #expect(report.known == 6 && report.orphans.isEmpty && !report.agrees)
        let usd = try #require(MoneyUnit("USD"))
        let differences = report.priceDifferences.sorted { $0.remoteID.text < $1.remoteID.text }
        #expect(differences.map(\.task) == [ids[0], ids[3]])
        #expect(differences.map(\.recorded.micros) == [1_250_000, 750_000])
        #expect(differences.map(\.counted) == Array(repeating: Amount(micros: 1_000_000, unit: usd), count: 2))
        #expect(differences.map(\.isSettled) == [true, false])
        #expect(differences.allSatisfy { $0.attempt == 1 && $0.account == .default })
    }

    @Test func `the records of endpoints without a recorded cost are not compared by it`() async throws {
        let world = try await world([.task(1, state: .succeeded, remoteID: "r-1")])
        play(world, [try priced("r-1", 5, at: start)])
        #expect(try await run(world).agrees)
    }

    // MARK: The schedule

    @Test func `the daemon compares as often as the settings say, over restarts`() async throws {
        let world = try await world([])
        play(world, [])
        #expect(try await world.engine.reconcileTimer.step() > world.time.now() + .seconds(3_000))
        #expect(world.provider.sent.isEmpty)
        world.reload { $0.reconcileInterval = .seconds(86_400) }
        func asked() async throws -> Int {
            _ = try await world.passingTime { try await world.engine.reconcileTimer.step() }
            defer { world.provider.forget() }
            return world.provider.sent.count
        }
        #expect(try await asked() == 0)
        world.time.advance(by: .seconds(86_390))
        #expect(try await asked() == 0)
        world.time.advance(by: .seconds(20))
        #expect(try await asked() > 0)
        #expect(try await asked() == 0)
        // Another process of the daemon.
        let next = try await EngineWorld(time: world.time, from: world)
        next.reload { $0.reconcileInterval = .seconds(86_400) }
        play(next, [])
        _ = try await next.engine.reconcileTimer.step()
        #expect(next.provider.sent.isEmpty)
    }
}
