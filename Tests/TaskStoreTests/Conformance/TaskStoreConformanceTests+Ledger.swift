import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests in any store what is reserved, settled and released.
extension TaskStoreConformanceTests {
    private var usd: MoneyUnit { get throws { try #require(MoneyUnit("USD")) } }

    private func charge(_ micros: Int64?, recorded: String? = nil, isFree: Bool = false) throws -> Charge {
        Charge(
            provider: "testing", estimate: try micros.map { Amount(micros: $0, unit: try usd) },
            terms: SettlementTerms(
                unit: try usd, recorded: try recorded.map { RecordedCost(at: try #require(JSONPointer($0))) },
                failuresAreFree: isFree))
    }

    private func start(
        _ id: TaskID, _ charge: Charge?, in store: TaskStore, at time: Timestamp? = nil
    ) async throws -> TaskChange? {
        var event = ScheduledEvent(
            .submissionStarted(), for: id, under: LeaseName(ProviderAccount(provider: "testing")), nextDueAt: now)
        event.charge = charge
        return try await store.apply([event], at: time ?? now).first
    }

    @discardableResult
    private func apply(
        _ event: TaskEvent, to id: TaskID, attempt: Int? = nil, in store: TaskStore
    ) async throws -> TaskChange? {
        try await store.apply([ScheduledEvent(event, for: id, attempt: attempt, nextDueAt: now)], at: now).first
    }

    /// The lines of a task: kind, what changes in what is reserved, spent and unknown.
    private func lines(_ id: TaskID, in store: TaskStore) async throws -> [String] {
        try await store.ledger(of: id).map {
            "\($0.kind.rawValue) \($0.attempt): \($0.reserved) \($0.spent) \($0.unpriced)"
        }
    }

    private func observation(_ verdict: Observation.Verdict, _ record: JSONValue = [:]) -> Observation {
        Observation(verdict, record: record)
    }

    private var failure: TaskFailure { TaskFailure(code: "busy", message: "Busy.") }

    @Test func `an attempt is reserved with its start, and settled with its success`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, labels: ["project": "web"])
            _ = try await store.insert(.new(task))
            _ = try await start(task.id, try charge(40_000), in: store)
            #expect(try await lines(task.id, in: store) == ["reserve 1: 40000 0 0"])
            let entry = try #require(try await store.ledger(of: task.id).first)
            #expect(entry.spender.labels == ["project": "web"])
            #expect(entry.spender.provider == "testing")
            #expect(entry.startedAt == now)
            try await apply(.submissionAccepted(try remote("r"), traceID: nil), to: task.id, in: store)
            try await apply(.observed(observation(.pending)), to: task.id, in: store)
            #expect(try await store.ledger(of: task.id).count == 1)
            try await apply(.observed(observation(.succeeded(partial: false))), to: task.id, in: store)
            #expect(try await lines(task.id, in: store) == ["reserve 1: 40000 0 0", "settle 1: -40000 40000 0"])
        }
    }

    @Test func `the record's own figure counts, and an unknown cost is never zero`() async throws {
        try await with { (store: TaskStore) async throws in
            let (one, other, third) = (TrackedTask.task(1), TrackedTask.task(2), TrackedTask.task(3))
            _ = try await store.insert([.new(one), .new(other), .new(third)])
            _ = try await start(one.id, try charge(40_000, recorded: "/cost"), in: store)
            _ = try await start(other.id, try charge(nil, recorded: "/cost"), in: store)
            _ = try await start(third.id, nil, in: store)
            for (number, task) in [one, other, third].enumerated() {
                try await apply(.submissionAccepted(try remote("r\(number)"), traceID: nil), to: task.id, in: store)
                let record: JSONValue = number == 2 ? [:] : try JSONValue(parsing: #"{"cost":0.05}"#)
                try await apply(.observed(observation(.succeeded(partial: false), record)), to: task.id, in: store)
            }
            #expect(try await lines(one.id, in: store) == ["reserve 1: 40000 0 0", "settle 1: -40000 50000 0"])
            #expect(try await lines(other.id, in: store) == ["reserve 1: 0 0 1", "settle 1: 0 50000 -1"])
            #expect(try await lines(third.id, in: store) == ["reserve 1: 0 0 1", "settle 1: 0 0 0"])
            let sums = try await store.spending(from: now, until: nil)
            #expect(sums.reduce(0) { $0 + $1.spent } == 100_000)
            #expect(sums.reduce(0) { $0 + $1.unpriced } == 1)
            #expect(sums.reduce(0) { $0 + $1.attempts } == 3)
            #expect(try await store.spending(from: now + .seconds(1), until: nil).isEmpty)
            #expect(try await store.spending(from: now - .seconds(9), until: now).isEmpty)
        }
    }

    @Test func `an attempt that was not accepted or refused is released`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            _ = try await start(task.id, try charge(40_000), in: store)
            try await apply(.submissionNotAccepted(failure), to: task.id, attempt: 1, in: store)
            _ = try await start(task.id, try charge(50_000), in: store)
            try await apply(.submissionRefused(failure), to: task.id, attempt: 2, in: store)
            #expect(
                try await lines(task.id, in: store) == [
                    "reserve 1: 40000 0 0", "release 1: -40000 0 0", "reserve 2: 50000 0 0", "release 2: -50000 0 0",
                ])
        }
    }

    @Test func `a failure is free only if the price says so`() async throws {
        try await with { (store: TaskStore) async throws in
            for (number, isFree) in [(1, true), (2, false)] {
                let task = TrackedTask.task(number)
                _ = try await store.insert(.new(task))
                _ = try await start(task.id, try charge(40_000, isFree: isFree), in: store)
                try await apply(.submissionAccepted(try remote("r\(number)"), traceID: nil), to: task.id, in: store)
                try await apply(.observed(observation(.failed(failure))), to: task.id, in: store)
                #expect(
                    try await lines(task.id, in: store).last
                        == (isFree ? "release 1: -40000 0 0" : "settle 1: -40000 40000 0"))
            }
        }
    }

    @Test func `an unknown outcome keeps the reservation, whatever ends the task`() async throws {
        try await with { (store: TaskStore) async throws in
            let (lost, cancelled, late) = (TrackedTask.task(1), TrackedTask.task(2), TrackedTask.task(3))
            _ = try await store.insert([.new(lost), .new(cancelled), .new(late)])
            for task in [lost, cancelled, late] { _ = try await start(task.id, try charge(40_000), in: store) }
            let interrupted = TaskEvent.submissionInterrupted(failure, isProbablyRefused: false)
            try await apply(interrupted, to: lost.id, in: store)
            try await apply(.givenUp(.submissionLost(because: "x"), .givenUp), to: lost.id, in: store)
            try await apply(.submissionAccepted(try remote("r2"), traceID: nil), to: cancelled.id, in: store)
            try await apply(.cancelRequested, to: cancelled.id, in: store)
            try await apply(interrupted, to: late.id, in: store)
            for task in [lost, cancelled, late] {
                #expect(try await lines(task.id, in: store) == ["reserve 1: 40000 0 0"])
            }
            // Outcomes that become known later are settled.
            try await apply(.turnedUp(try remote("r1"), traceID: nil), to: lost.id, attempt: 1, in: store)
            #expect(try await lines(lost.id, in: store).last == "settle 1: -40000 40000 0")
            try await apply(.reopenRequested, to: cancelled.id, in: store)
            try await apply(.observed(observation(.succeeded(partial: false))), to: cancelled.id, in: store)
            #expect(try await lines(cancelled.id, in: store).last == "settle 1: -40000 40000 0")
            try await apply(.foundInList(try remote("r3"), traceID: nil), to: late.id, in: store)
            try await apply(.observed(observation(.succeeded(partial: false))), to: late.id, in: store)
            #expect(try await lines(late.id, in: store).last == "settle 1: -40000 40000 0")
        }
    }

    @Test func `a resubmission releases the earlier attempt only with a proof of absence`() async throws {
        try await with { (store: TaskStore) async throws in
            for (number, how) in [(1, Resolution.resubmitted), (2, .resubmittedByPolicy)] {
                let task = TrackedTask.task(number)
                _ = try await store.insert(.new(task))
                _ = try await start(task.id, try charge(40_000), in: store)
                try await apply(.submissionInterrupted(failure, isProbablyRefused: false), to: task.id, in: store)
                try await apply(.resubmitted(how), to: task.id, in: store)
                _ = try await start(task.id, try charge(40_000), in: store)
                try await apply(
                    .submissionAccepted(try remote("r\(number)"), traceID: nil), to: task.id, attempt: 2, in: store)
                try await apply(.observed(observation(.succeeded(partial: false))), to: task.id, in: store)
                let first = how == .resubmitted ? [] : ["release 1: -40000 0 0"]
                #expect(
                    try await lines(task.id, in: store) == ["reserve 1: 40000 0 0"] + first + [
                        "reserve 2: 40000 0 0", "settle 2: -40000 40000 0",
                    ])
                // The record of the first attempt shows that both were billed.
                try await apply(
                    .turnedUp(try remote("late\(number)"), traceID: nil), to: task.id, attempt: 1, in: store)
                let late = how == .resubmitted ? "settle 1: -40000 40000 0" : "settle 1: 0 40000 0"
                #expect(try await lines(task.id, in: store).contains(late))
                try await apply(
                    .turnedUp(try remote("late\(number)"), traceID: nil), to: task.id, attempt: 1, in: store)
                #expect(
                    try await store.spending(from: now, until: nil).reduce(0) { $0 + $1.spent } == 80_000
                        * Int64(number))
            }
        }
    }

    @Test func `a tracked task has no lines, and a line outlives its task`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            try await apply(.observed(observation(.succeeded(partial: false))), to: task.id, in: store)
            #expect(try await store.ledger(of: task.id).isEmpty)
        }
    }
}
