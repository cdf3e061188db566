import SQLiteDriver
import Synchronization
import TaskModel
import TaskTesting
import Testing

@testable import TaskStore

/// The log of a store that several processes write to.
@Suite struct FollowingTests {
    private final class Seen: Sendable {
        private let places = Mutex<[Int64]>([])
        var all: [Int64] { places.withLock { $0 } }
        func note(_ change: CommittedChange) { places.withLock { $0.append(change.event.sequence) } }
    }

    private let now = ManualTimeSource.start

    private func with(_ body: (TaskStore, TaskStore) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let driver = ClockedDriver(sqlite) { ManualTimeSource.start }
        let stores = (1...2).map { number in
            TaskStore(driver, holder: LeaseHolder(name: "process \(number)", token: LeaseToken(UInt128(number))))
        }
        try await body(stores[0], stores[1])
        try sqlite.close()
    }

    @Test func `subscribers get the lines of all processes once and in order`() async throws {
        try await with { (ours, others) async throws in
            _ = try await others.insert(.new(.task(1)))
            let (all, own, foreign) = (Seen(), Seen(), Seen())
            ours.log.subscribe { all.note($0) }
            ours.log.subscribeToOurs { own.note($0) }
            ours.log.subscribeToOthers { foreign.note($0) }
            try await ours.log.beginFollowing()
            _ = try await others.insert(.new(.task(2)))
            #expect(all.all.isEmpty)
            // The line of others comes first, although nobody has looked for it.
            _ = try await ours.insert(.new(.task(3)))
            #expect(all.all == [2, 3])
            try await others.log(.startNotChecked([], since: now, because: "", at: now))
            _ = try await others.insert([.new(.task(4)), .new(.task(5))])
            try await ours.log.follow()
            try await ours.log.follow()
            #expect(all.all == [2, 3, 5, 6])
            try await ours.log(.startNotChecked([], since: now, because: "", at: now))
            _ = try await ours.insert(.new(.task(6)))
            #expect(all.all == [2, 3, 5, 6, 8])
            #expect(own.all == [3, 8])
            #expect(foreign.all == [2, 5, 6])
        }
    }

    /// Counts reads of the log. The first one waits until that many tasks were inserted.
    private final class HeldReads: DriverWrapper {
        let base: any StoreDriver
        private let inserts: Int
        private let state = Mutex((reads: 0, inserts: 0, waiter: CheckedContinuation<Void, Never>?.none))

        init(_ base: any StoreDriver, until inserts: Int) { (self.base, self.inserts) = (base, inserts) }

        var reads: Int { state.withLock { $0.reads } }

        func write<Value: Sendable>(
            for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
            committed: @escaping @Sendable (Value) -> Void
        ) async throws(TaskStoreError) -> Value {
            try await base.write(for: call, body) { [self] value in
                committed(value)
                let waiter = state.withLock { state in
                    state.inserts += 1
                    return state.inserts == inserts ? state.waiter : nil
                }
                waiter?.resume()
            }
        }

        func around<Value: Sendable>(
            _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
        ) async throws(TaskStoreError) -> Value {
            guard case .read("logPage") = call else { return try await body() }
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    state.reads += 1
                    guard state.reads == 1, state.inserts < inserts else { return false }
                    state.waiter = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
            return try await body()
        }
    }

    @Test func `one caller reads the lines of others for all`() async throws {
        try await with { (_, others) async throws in
            let reads = HeldReads(others.driver, until: 20)
            let ours = TaskStore(reads, holder: LeaseHolder(name: "ours", token: LeaseToken(3)))
            let all = Seen()
            ours.log.subscribe { all.note($0) }
            try await ours.log.beginFollowing()
            _ = try await others.insert(.new(.task(1)))
            try await withThrowingTaskGroup { group in
                for number in 2...21 { group.addTask { _ = try await ours.insert(.new(.task(number))) } }
                try await group.waitForAll()
            }
            #expect(all.all == Array(1...21))
            #expect(reads.reads <= 2)
        }
    }

    @Test func `more lines than a page are all delivered`() async throws {
        try await with { (ours, others) async throws in
            let all = Seen()
            ours.log.subscribe { all.note($0) }
            try await ours.log.beginFollowing()
            _ = try await others.insert((1...700).map { .new(.task($0)) })
            try await ours.log.follow()
            #expect(all.all == Array(1...700))
        }
    }

    @Test func `a line that was read before its commit returned is delivered to nobody twice`() throws {
        func change(_ place: Int64) -> CommittedChange {
            let task = TrackedTask.task(Int(place))
            let entry = TaskLogEntry(at: now, kind: "created", from: nil, to: .queued)
            return CommittedChange(task: task, event: StoredEvent(sequence: place, task: task.id, entry: entry))
        }
        func page(_ places: [Int64], through: Int64) -> LogPage {
            LogPage(
                lines: places.map(change), through: through, bounds: LogBounds(removedUpTo: 0, newest: through))
        }
        func words(_ deliveries: [LineMerger.Delivery]) -> [String] {
            deliveries.map { "\($0.change.event.sequence) \($0.author)" }
        }
        var merger = LineMerger(after: 4)
        // Line 6 is ours, and about no task.
        #expect(words(merger.take(page([5, 7], through: 7))) == ["5 others", "7 others"])
        #expect(words(merger.take([6, 7, 8], [change(7), change(8)])) == ["7 usAfterAll", "8 us"])
        #expect(!merger.hasGap)
        #expect(words(merger.take([10], [change(10)])).isEmpty)
        #expect(words(merger.take([12, 13], [change(12)])).isEmpty)
        #expect(merger.hasGap)
        #expect(words(merger.take(page([9, 10], through: 10))) == ["9 others", "10 us"])
        #expect(merger.hasGap)
        #expect(words(merger.take(page([11, 12], through: 12))) == ["11 others", "12 us"])
        #expect(!merger.hasGap)
        #expect(merger.position == 13)
    }
}
