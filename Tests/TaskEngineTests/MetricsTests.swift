import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite(.timeLimit(.minutes(2))) struct MetricsTests {
    /// The value of a series, named as in the exposition; nil if there is none.
    private func value(_ name: String, _ labels: [String: String] = [:], in world: EngineWorld) async -> Double? {
        for family in await world.engine.metrics.families() {
            for sample in family.samples where family.name + sample.suffix == name {
                let found = Dictionary(uniqueKeysWithValues: sample.labels.map { ($0.name, $0.value) })
                if found == labels { return sample.value }
            }
        }
        return nil
    }

    @Test func `each outcome of a submission is counted once`() async throws {
        let world = try await EngineWorld()
        for (reply, outcome) in [
            (.success(.accepted("r-1")), "accepted"), (.success(.json(Record.succeeded("r-2"))), "answered"),
            (.failure(.notSent("refused")), "not_accepted"), (.failure(.interrupted("reset")), "uncertain"),
            (.success(.error("forbidden", status: 403)), "refused"),
        ] as [(Result<UpstreamReply, UpstreamTransportError>, String)] {
            world.provider.play { _ async throws(UpstreamTransportError) in try reply.get() }
            try await world.submit()
            _ = try await world.engine.submitter.step()
            let labels = ["endpoint": "image/make", "outcome": outcome]
            #expect(await value("pollux_submissions_total", labels, in: world) == 1, "\(outcome)")
            // Otherwise it is sent with the next one.
            for task in try await world.sqlite.tasks(in: .queued, limit: 10) {
                _ = try await world.service.cancel(task.id)
            }
            world.time.advance(by: .seconds(60))
        }
        #expect(await value("pollux_task_duration_seconds_count", ["outcome": "succeeded"], in: world) == 1)
        #expect(await value("pollux_task_duration_seconds_count", ["outcome": "cancelled"], in: world) == 1)
        #expect(await value("pollux_task_duration_seconds_count", ["outcome": "failed"], in: world) == 1)
        #expect(await value("pollux_task_duration_seconds_count", ["outcome": "expired"], in: world) == 0)
    }

    @Test func `what the ledger counts as spent is counted once, by unit`() async throws {
        let priced = EngineWorld.definition.replacing(
            "      make: {typical_seconds: 40, upper_seconds: 90}",
            with:
                "      make: {price: {unit: USD, fixed: 0.04, from_record: /cost}, typical_seconds: 40, upper_seconds: 90}"
        )
        let world = try await EngineWorld(definition: priced)
        #expect(await value("pollux_spend_micros_total", ["unit": "USD"], in: world) == nil)
        for (id, cost) in [("r-1", JSONValue.null), ("r-2", "0.5")] {
            world.provider.enqueue(.accepted(id))
            try await world.submit()
            _ = try await world.engine.submitter.step()
            world.time.advance(by: .seconds(60))
            var record = try #require(Record.succeeded(id).object)
            record["cost"] = cost
            world.provider.enqueue(.json(.object(record)))
            _ = try await world.engine.scheduler.step()
        }
        // A reservation is not spent.
        world.provider.enqueue(.accepted("r-3"))
        try await world.submit()
        _ = try await world.engine.submitter.step()
        #expect(await value("pollux_spend_micros_total", ["unit": "USD"], in: world) == 540_000)
    }

    @Test func `queries are counted by their replies, and late polls by their delay`() async throws {
        let world = try await EngineWorld()
        try await world.insert(.task(1, state: .running))
        world.time.advance(by: .seconds(20))
        world.provider.enqueue(.json(Record.succeeded("remote-1")))
        _ = try await world.engine.scheduler.step()
        func count(_ outcome: String) async -> Double? {
            await value("pollux_poll_requests_total", ["service": "image", "outcome": outcome], in: world)
        }
        #expect(await count("answered") == 1)
        #expect(await value("pollux_poll_lateness_seconds_bucket", ["le": "10.0"], in: world) == 0)
        #expect(await value("pollux_poll_lateness_seconds_bucket", ["le": "30.0"], in: world) == 1)
        #expect(await value("pollux_poll_lateness_seconds_bucket", ["le": "+Inf"], in: world) == 1)
        #expect(await value("pollux_poll_lateness_seconds_sum", in: world) == 20)
        #expect(await value("pollux_task_duration_seconds_sum", ["outcome": "succeeded"], in: world) == 20)

        try await world.insert(.task(2, state: .running, at: world.time.now()))
        world.provider.enqueue(.error("api_error", status: 503))
        _ = try await world.engine.scheduler.step()
        #expect(await count("server_error") == 1)
        #expect(await value("pollux_breaker_open", ["kind": "polls"], in: world) == 1)
        #expect(await value("pollux_breaker_open", ["kind": "account"], in: world) == 0)
        // A person's pause is none.
        try await world.engine.endpoints.pause("image/make")
        #expect(await value("pollux_breaker_open", ["kind": "endpoint"], in: world) == 0)
    }

    @Test func `tasks are counted by state and provider, and the oldest uncertain one has its age`() async throws {
        let world = try await EngineWorld()
        #expect(await value("pollux_oldest_uncertain_seconds", in: world) == 0)
        try await world.insert(.task(1, state: .uncertain))
        world.time.advance(by: .seconds(90))
        try await world.insert(.task(2, state: .uncertain, at: world.time.now()))
        try await world.insert(.task(3, at: world.time.now()))
        try await world.insert(.task(4, endpoint: "gone/make", at: world.time.now()))
        world.time.advance(by: .seconds(10))
        func tasks(_ state: String, _ provider: String) async -> Double? {
            await value("pollux_tasks", ["state": state, "provider": provider], in: world)
        }
        #expect(await tasks("uncertain", "testing") == 2)
        #expect(await tasks("queued", "testing") == 1)
        #expect(await tasks("running", "testing") == 0)
        #expect(await tasks("queued", "none") == 1)
        #expect(await value("pollux_uncertain_tasks", in: world) == 2)
        #expect(await value("pollux_oldest_uncertain_seconds", in: world) == 100)
        #expect(await value("pollux_wal_bytes", in: world).map { $0 > 0 } == true)
        #expect(await value("pollux_disk_free_bytes", in: world).map { $0 > 0 } == true)
        #expect(await value("pollux_storage_failed", in: world) == 0)
    }

    @Test func `a database that cannot be read leaves the counters`() async throws {
        let world = try await EngineWorld()
        world.store.fail { call in if case .read = call { .full } else { nil } }
        #expect(await value("pollux_storage_failed", in: world) == 1)
        #expect(await value("pollux_uncertain_tasks", in: world) == nil)
        #expect(await value("pollux_poll_lateness_seconds_count", in: world) == 0)
    }

    @Test func `the names of reloaded definitions cannot make series without end`() {
        let metrics = EngineMetrics()
        for number in 0..<EngineMetrics.mostSeries + 500 {
            if let service = ServiceName("service-\(number)") { metrics.noteQuery(of: service, .answered) }
        }
        let queries = metrics.families.first { $0.name == "pollux_poll_requests_total" }
        #expect(queries?.samples.count == EngineMetrics.mostSeries + 1)
        #expect(queries?.samples.first { $0.labels.first?.value == "other" }?.value == 500)
    }

    @Test func `a write is measured until it is on disk`() async throws {
        let world = try await EngineWorld()
        let metrics = EngineMetrics()
        let store = TaskStore(MeasuredDriver(world.database, metrics: metrics, time: world.time))
        _ = try await store.insert(.new(.task(1)))
        _ = try await store.counts()
        let commits = metrics.families.first { $0.name == "pollux_commit_seconds" }
        #expect(commits?.samples.last?.value == 1)
    }
}
