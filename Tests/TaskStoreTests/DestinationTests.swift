import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Destinations of notifications in the store, under the check of every statement's plan.
@Suite struct DestinationTests {
    let now = ManualTimeSource.start

    private func with(_ body: (TaskStore) async throws -> Void) async throws {
        try await EachDatabase.with { driver in try await body(TaskStore(driver)) }
    }

    private func name(_ text: String) throws -> DestinationName { try #require(DestinationName(text)) }

    private func ended(_ store: TaskStore, _ number: Int) async throws -> TrackedTask {
        let task = TrackedTask.task(number, state: .running, at: now)
        _ = try await store.insert(.new(task))
        _ = try await store.apply([ScheduledEvent(.cancelRequested, for: task.id, nextDueAt: nil)], at: now)
        return task
    }

    private func delivery(_ event: StoredEvent, to name: DestinationName) throws -> DeliveryRow {
        try #require(DeliveryRow(event, to: name))
    }

    @Test func `a destination begins at the end of the log, keeps its place, and goes with its rows`() async throws {
        try await with { store in
            let task = try await ended(store, 1)
            let (one, two) = (try name("one"), try name("two"))
            let end = try await store.logEnd()
            let rows = try await store.keepDestinations([one, two])
            #expect(rows.map(\.cursor) == [end, end])
            _ = try await ended(store, 2)
            #expect(try await store.keepDestinations([one, two]).map(\.cursor) == [end, end])
            let event = try #require(try await store.events(of: task.id, after: 0, limit: 9).last)
            let changes = DeliveryChanges(
                destination: DestinationRow(name: two, cursor: end), puts: [try delivery(event, to: two)])
            #expect(try await store.record(changes, at: now))
            #expect(try await store.keepDestinations([one]).map(\.name) == [one])
            #expect(try await store.deliveryCounts().isEmpty)
        }
    }

    @Test func `an event without a task has a row`() async throws {
        try await with { store in
            let one = try name("one")
            _ = try await store.keepDestinations([one])
            try await store.log(DaemonEvent(at: now, kind: DaemonEvent.reconciled))
            let line = try #require(try await store.log.read(after: 0, limit: 9).last)
            guard case .daemon(let event, let sequence) = line else { throw TaskStoreError.failed("no such line") }
            var row = try #require(DeliveryRow(event, sequence: sequence, to: one))
            row.attempts = 2
            row.failure = DeliveryFailure(status: 500, reason: "it answered 500")
            let destination = DestinationRow(name: one, cursor: sequence)
            #expect(try await store.record(DeliveryChanges(destination: destination, puts: [row]), at: now))
            #expect(row.type == .reconcileFinished && row.task == nil)
            #expect(try await store.deliveries(.waiting(one)) == [row])
            let done = DeliveryChanges(destination: destination, drops: [sequence])
            #expect(try await store.record(done, at: now))
            #expect(try await store.deliveries(.waiting(one)).isEmpty)
        }
    }

    @Test func `place, rows and condition come back as they were`() async throws {
        try await with { store in
            let task = try await ended(store, 1)
            let one = try name("one")
            _ = try await store.keepDestinations([one])
            let events = try await store.events(of: task.id, after: 0, limit: 9)
            var destination = DestinationRow(name: one, cursor: 7)
            destination.failures = 5
            destination.closedAt = now
            destination.probes = 2
            destination.notBefore = now + .seconds(30)
            destination.isStopped = true
            destination.failure = DeliveryFailure(status: 503, reason: "it answered 503")
            destination.failedAt = now
            var failed = try delivery(try #require(events.first), to: one)
            failed.attempts = 3
            failed.nextAt = now + .seconds(5)
            failed.triedAt = now
            failed.failure = DeliveryFailure(status: 500, reason: "it answered 500", answer: "ä\n")
            var dead = try delivery(try #require(events.last), to: one)
            dead.isDead = true
            #expect(
                try await store.record(DeliveryChanges(destination: destination, puts: [failed, dead]), at: now))
            #expect(try await store.destinations() == [destination])
            #expect(try await store.deliveries(.waiting(one)) == [failed])
            #expect(try await store.deliveries(.dead(one, limit: 9)) == [dead])
            #expect(try await store.deliveries(.of(task.id, one)) == [failed, dead])
            #expect(
                Set(try await store.deliveryCounts()) == [
                    DeliveryCount(destination: one, isDead: false, count: 1),
                    DeliveryCount(destination: one, isDead: true, count: 1),
                ])
            #expect(
                try await store.record(
                    DeliveryChanges(destination: destination, drops: [failed.sequence, dead.sequence]), at: now))
            #expect(try await store.deliveryCounts().isEmpty)
        }
    }

    @Test func `an outcome from before a replay is not recorded`() async throws {
        try await with { store in
            let task = try await ended(store, 1)
            let one = try name("one")
            let former = try #require(try await store.keepDestinations([one]).first)
            #expect(try await store.replay(.task(task.id), to: one, where: { _, _ in true }) == 2)
            var changes = DeliveryChanges(destination: former)
            changes.destination.cursor = 99
            #expect(try await store.record(changes, at: now) == false)
            let row = try #require(try await store.destinations().first)
            #expect(row.cursor == former.cursor && row.generation == 1)
            #expect(try await store.replay(.dead, to: try name("gone"), where: { _, _ in true }) == nil)
        }
    }

    @Test func `a replay since a time goes back to the events since then and drops their rows`() async throws {
        try await with { store in
            let first = try await ended(store, 1)
            let one = try name("one")
            let later = TrackedTask.task(2, state: .running, at: now + .seconds(60))
            _ = try await store.insert(.new(later))
            _ = try await store.keepDestinations([one])
            let end = try await store.logEnd()
            let old = try #require(try await store.events(of: first.id, after: 0, limit: 9).last)
            let new = try #require(try await store.events(of: later.id, after: 0, limit: 9).last)
            var dead = try delivery(new, to: one)
            dead.isDead = true
            #expect(
                try await store.record(
                    DeliveryChanges(
                        destination: DestinationRow(name: one, cursor: end), puts: [try delivery(old, to: one), dead]),
                    at: now))
            _ = try await store.replay(.since(now + .seconds(30)), to: one, where: { _, _ in true })
            #expect(try await store.destinations().map(\.cursor) == [old.sequence])
            #expect(try await store.deliveries(.waiting(one)).map(\.sequence) == [old.sequence])
            #expect(try await store.deliveries(.dead(one, limit: 9)).isEmpty)
        }
    }

    @Test func `events that are given up are in the log`() async throws {
        try await with { store in
            let one = try name("one")
            let row = try #require(try await store.keepDestinations([one]).first)
            let skipped = DeliveryChanges.Skipped(count: 3, places: 4...9)
            #expect(try await store.record(DeliveryChanges(destination: row, skipped: skipped), at: now))
            guard case .daemon(let event, _) = try await store.log.read(after: 0, limit: 9).last else {
                return #expect(Bool(false), "no line in the log")
            }
            #expect(event.kind == "skipped")
            #expect(
                event.detail
                    == JSONObject([
                        ("destination", "one"), ("events", 3), ("first", 4), ("last", 9),
                    ]))
        }
    }

    @Test func `details stay until every destination has their events, and dead letters go with them`() async throws {
        try await with { store in
            let task = try await ended(store, 1)
            let one = try name("one")
            var policy = RetentionPolicy()
            policy.ended = .seconds(60)
            let later = now + .seconds(3_600)
            _ = try await store.keepDestinations([one])
            _ = try await store.replay(.since(now - .seconds(60)), to: one, where: { _, _ in true })
            func sweep() async throws -> Bool {
                var sweep = RetentionSweep(policy, at: later)
                while !sweep.isOver { sweep = try await store.advance(sweep, at: later) }
                return try await store.task(task.id)?.removed != nil
            }
            // Its place in the log is before them.
            #expect(try await !sweep())
            let events = try await store.events(of: task.id, after: 0, limit: 9)
            var row = try #require(try await store.destinations().first)
            row.cursor = try await store.logEnd()
            let waiting = try delivery(try #require(events.last), to: one)
            #expect(try await store.record(DeliveryChanges(destination: row, puts: [waiting]), at: now))
            // One of them waits after a failure.
            #expect(try await !sweep())
            var dead = waiting
            dead.isDead = true
            #expect(try await store.record(DeliveryChanges(destination: row, puts: [dead]), at: now))
            #expect(try await sweep())
            #expect(try await store.deliveryCounts().isEmpty)
        }
    }

    @Test func `three destinations add no statement to a submission or an outcome`() async throws {
        try await PlanCheck.with { driver in
            let store = TaskStore(driver)
            func statements(_ number: Int) async throws -> [String] {
                let statements = try await Statements(of: driver)
                _ = try await ended(store, number)
                return statements.all
            }
            // Compiles what every first use compiles.
            _ = try await statements(1)
            let without = try await statements(2)
            _ = try await store.keepDestinations([try name("one"), try name("two"), try name("three")])
            #expect(try await statements(3) == without)
            #expect(!without.isEmpty)
        }
    }
}
