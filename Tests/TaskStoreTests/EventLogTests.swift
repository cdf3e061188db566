import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct EventLogTests {
    private let now = ManualTimeSource.start

    /// The changes that a subscriber received, in order.
    private final class Received: Sendable {
        private let changes = Mutex<[CommittedChange]>([])

        func take(_ change: CommittedChange) { changes.withLock { $0.append(change) } }
        var all: [CommittedChange] { changes.withLock { $0 } }
        var kinds: [String] { all.map(\.entry.kind) }
    }

    private func with(_ body: (TaskStore, Received) async throws -> Void) async throws {
        try await EachDatabase.with { (driver) async throws in
            let (store, received) = (TaskStore(driver), Received())
            store.log.subscribe { received.take($0) }
            try await body(store, received)
        }
    }

    private func remote(_ text: String) throws -> RemoteTaskID { try #require(RemoteTaskID(text)) }

    @Test func `every change is a log entry, and subscribers receive it before the call returns`() async throws {
        try await with { (store, received) async throws in
            let (created, tracked, lost) = (
                TrackedTask.task(1), TrackedTask.task(2, state: .running), TrackedTask.task(3, state: .uncertain)
            )
            _ = try await store.insert(.new(created))
            #expect(received.kinds == ["created"])
            _ = try await store.insert(.new(tracked))
            #expect(received.kinds == ["created", "tracked"])
            _ = try await store.insert(.new(lost))
            _ = try await store.apply(.adopted(try remote("r-3")), to: lost.id, at: now, nextDueAt: now)
            _ = try await store.apply(.submissionStarted(), to: created.id, under: .testing, at: now, nextDueAt: now)
            #expect(received.kinds == ["created", "tracked", "created", "adopted", "submission_started"])
            #expect(received.all.last?.task.state == .submitting)

            let log = try await store.log.read(after: 0, limit: 100)
            #expect(log == received.all.map { .task($0.event) })
            #expect(log.map(\.sequence) == log.map(\.sequence).sorted())
            #expect(try await store.log.read(after: log[1].sequence, limit: 2) == Array(log[2...3]))
        }
    }

    @Test func `a change that has no effect or is rolled back reaches no subscriber`() async throws {
        try await with { (store, received) async throws in
            let (owner, lost) = (TrackedTask.task(1, state: .running), TrackedTask.task(2, state: .uncertain))
            _ = try await store.insert([.new(owner), .new(lost)])
            let before = received.all.count
            _ = try await store.apply(.remoteTaskGone, to: lost.id, at: now, nextDueAt: now)
            _ = try await store.apply(
                .observed(Observation(.pending, record: [:])), to: owner.id, at: now, nextDueAt: now)
            await #expect(throws: TaskStoreError.remoteIDInUse(by: owner.id)) {
                _ = try await store.apply(
                    [
                        ScheduledEvent(.cancelRequested, for: owner.id, nextDueAt: nil),
                        ScheduledEvent(.adopted(try #require(owner.remoteID)), for: lost.id, nextDueAt: now),
                    ], at: now)
            }
            #expect(received.all.count == before)
            #expect(try await store.log.read(after: 0, limit: 100).count == before)
        }
    }

    @Test func `a commit of unknown outcome reaches no subscriber, but the log has it`() async throws {
        try await EachDatabase.with { (driver) async throws in
            let (faulty, received) = (FaultyDriver(driver), Received())
            let store = TaskStore(faulty)
            store.log.subscribe { received.take($0) }
            faulty.forgetOutcome { $0.isWrite }
            await #expect(throws: TaskStoreError.unknown) { _ = try await store.insert(.new(.task(1))) }
            #expect(received.all.isEmpty)
            #expect(try await store.log.read(after: 0, limit: 9).count == 1)
        }
    }

    @Test func `subscribers receive the changes of many callers in the order of the log`() async throws {
        try await with { (store, received) async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask { [now] in
                        let task = TrackedTask.task(number)
                        _ = try await store.insert(.new(task))
                        #expect(received.all.contains { $0.task.id == task.id })
                        _ = try await store.apply(
                            .submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
                        #expect(received.all.contains { $0.task.id == task.id && $0.entry.to == .submitting })
                    }
                }
                try await group.waitForAll()
            }
            let sequences = received.all.map(\.event.sequence)
            #expect(sequences.count == 400)
            #expect(sequences == sequences.sorted())
        }
    }

    @Test func `a subscription reads from its position and then waits for new entries`() async throws {
        try await with { (store, _) async throws in
            for number in 0..<600 { _ = try await store.insert(.new(.task(number))) }
            let first = try #require(try await store.log.read(after: 0, limit: 1).first)
            let (seen, sink) = AsyncStream<Int64>.makeStream()
            let reading = Task {
                for try await event in store.log.subscribe(after: first.sequence) { sink.yield(event.sequence) }
            }
            var sequences: [Int64] = []
            var iterator = seen.makeAsyncIterator()
            while sequences.count < 599, let next = await iterator.next() { sequences.append(next) }
            // The subscription waits at the end of the log and gets new entries.
            for number in 600..<610 {
                _ = try await store.insert(.new(.task(number)))
                if let next = await iterator.next() { sequences.append(next) }
            }
            reading.cancel()
            _ = await reading.result
            let all = try await store.log.read(after: first.sequence, limit: 1_000).map(\.sequence)
            #expect(sequences == all)
            #expect(sequences.count == 609)
        }
    }

    @Test func `a daemon entry is in the log but in no task's log`() async throws {
        try await with { (store, received) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            try await store.moveSchedule(by: .seconds(-90), at: now)
            let log = try await store.log.read(after: 0, limit: 9)
            guard case .daemon(let event, let sequence) = log.last else {
                Issue.record("\(log)")
                return
            }
            #expect(event == DaemonEvent(at: now, kind: "clock_set", detail: JSONObject([("by_ms", -90_000)])))
            #expect(sequence == log[0].sequence + 1)
            #expect(received.kinds == ["created"])
            #expect(try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind) == ["created"])
        }
    }
}
