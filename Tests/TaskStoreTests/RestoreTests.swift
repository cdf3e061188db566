import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct RestoreTests {
    private let now = ManualTimeSource.start

    /// A witness in memory.
    private final class MemoryWitness: Witness {
        let statement: Mutex<WitnessStatement?>
        let isFull = Mutex(false)

        init(_ statement: WitnessStatement? = nil) { self.statement = Mutex(statement) }

        func read() -> WitnessStatement? { statement.withLock { $0 } }
        func refresh(_ new: WitnessStatement) async { statement.withLock { $0?.at = new.at } }

        func write(_ new: WitnessStatement) async throws(TaskStoreError) {
            if isFull.withLock({ $0 }) { throw .full }
            statement.withLock { $0 = new }
        }
    }

    private func with(_ body: (TaskStore, MemoryWitness) async throws -> Void) async throws {
        try await EachDatabase.with { driver in
            let witness = MemoryWitness()
            try await body(TaskStore(driver, witness: witness), witness)
        }
    }

    /// A store of epoch "one" in which task 1 was started and task 2 is queued.
    private func withStarted(_ body: (TaskStore, MemoryWitness) async throws -> Void) async throws {
        try await with { (store: TaskStore, witness: MemoryWitness) async throws in
            #expect(try await store.checkWitness(newEpoch: "one", at: now).mode == nil)
            for number in [1, 2] { _ = try await store.insert(.new(.task(number))) }
            let started = try await store.apply(
                .submissionStarted(), to: TrackedTask.task(1).id, under: .testing, at: now, nextDueAt: now)
            #expect(started?.task.state == .submitting)
            try await store.secureWitness(at: now)
            #expect(witness.read() == WitnessStatement(epoch: "one", sequence: 3, at: now))
            try await body(store, witness)
        }
    }

    @Test func `a new database gets its epoch and its witness`() async throws {
        try await with { (store: TaskStore, witness: MemoryWitness) async throws in
            #expect(try await store.checkWitness(newEpoch: "one", at: now).mode == nil)
            #expect(witness.read() == WitnessStatement(epoch: "one", sequence: 0, at: now))
            // The next start keeps the epoch.
            #expect(try await store.checkWitness(newEpoch: "two", at: now).mode == nil)
            #expect(witness.read()?.epoch == "one")
        }
    }

    @Test func `the log keeps its epoch until a copy is detected, and each copy begins a new one`()
        async throws
    {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            func epoch() async throws -> LogEpoch { try await store.logEpoch(orNew: "unused") }
            #expect(try await epoch().name == "one")
            #expect(try await store.checkWitness(newEpoch: "two", at: now).mode == nil)
            #expect(try await epoch().name == "one")
            // A copy is restored. Its next lines get places that were used before.
            witness.statement.withLock { $0?.sequence = 4 }
            #expect(try await store.checkWitness(newEpoch: "three", at: now).mode != nil)
            #expect(try await epoch().name == "three")
            #expect(try await epoch().former == ["one"])
            // The same copy, and its acceptance.
            #expect(try await store.checkWitness(newEpoch: "four", at: now).mode != nil)
            _ = try await store.acceptRestore(newEpoch: "five", at: now)
            #expect(try await epoch().name == "three")
            #expect(witness.read()?.epoch == "five")
            // Another copy.
            witness.statement.withLock { $0?.sequence = 99 }
            #expect(try await store.checkWitness(newEpoch: "six", at: now).mode != nil)
            #expect(try await epoch().name == "six")
            #expect(try await epoch().former == ["three", "one"])
        }
    }

    @Test func `a database of an earlier version gets an epoch of its log when it is first read`() async throws {
        try await with { (store: TaskStore, _: MemoryWitness) async throws in
            #expect(try await store.logEpoch(orNew: "a").name == "a")
            #expect(try await store.logEpoch(orNew: "b").name == "a")
            #expect(try await store.checkWitness(newEpoch: "c", at: now).mode == nil)
            #expect(try await store.logEpoch(orNew: "d").name == "a")
        }
    }

    @Test func `an unchanged database is not a copy`() async throws {
        try await withStarted { (store: TaskStore, _: MemoryWitness) async throws in
            #expect(try await store.checkWitness(newEpoch: "two", at: now).mode == nil)
            #expect(try await store.task(TrackedTask.task(2).id)?.state == .queued)
        }
    }

    @Test(arguments: ["ahead", "other epoch", "copied", "missing"])
    func `a copy starts no submissions, and its queued tasks become uncertain`(how: String) async throws {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            witness.statement.withLock { statement in
                switch how {
                case "ahead": statement?.sequence = 4
                case "other epoch": statement?.epoch = "two"
                case "copied": statement?.isOriginal = false
                default: statement = nil
                }
            }
            let later = now + .seconds(60)
            let mode = try #require(try await store.checkWitness(newEpoch: "three", at: later).mode)
            #expect(mode.since == now)
            #expect(mode.at == later)
            let doubted = try #require(try await store.task(TrackedTask.task(2).id))
            #expect(doubted.state == .uncertain)
            #expect(doubted.wasPerhapsSent)
            #expect(doubted.attempt?.startedAt == now)
            #expect(doubted.attempt?.endedAt == later)
            // Later submissions stay queued, also after further starts, and cannot be started.
            _ = try await store.insert(.new(.task(3, at: later + .seconds(1))))
            #expect(try await store.checkWitness(newEpoch: "four", at: later + .seconds(9)).mode == mode)
            #expect(try await store.restoredMode() == mode)
            await #expect(throws: TaskStoreError.restored) {
                _ = try await store.apply(
                    .submissionStarted(), to: TrackedTask.task(3, at: later + .seconds(1)).id, under: .testing,
                    at: later, nextDueAt: later)
            }
            // A person moves the time window and accepts the copy.
            let moved = try await store.moveRestore(since: now - .seconds(100), at: later)
            #expect(moved?.since == now - .seconds(100))
            #expect(try await store.task(doubted.id)?.attempt?.startedAt == now - .seconds(100))
            #expect(try await store.acceptRestore(newEpoch: "five", at: later) == 1)
            #expect(try await store.restoredMode() == nil)
            #expect(witness.read()?.epoch == "five")
            let again = try #require(try await store.task(doubted.id))
            #expect(again.state == .queued)
            #expect(again.resolution == .resubmitted)
            #expect(try await store.checkWitness(newEpoch: "six", at: later).mode == nil)
            let started = try await store.apply(
                .submissionStarted(), to: doubted.id, under: .testing, at: later, nextDueAt: later)
            #expect(started?.transition == .advance(to: .submitting))
        }
    }

    @Test func `a database of a version without witnesses gets one and is not a copy`() async throws {
        try await EachDatabase.with { driver in
            let store = TaskStore(driver)
            for number in [1, 2] { _ = try await store.insert(.new(.task(number))) }
            _ = try await store.apply(
                .submissionStarted(), to: TrackedTask.task(1).id, under: .testing, at: now, nextDueAt: now)
            let witness = MemoryWitness()
            #expect(try await TaskStore(driver, witness: witness).checkWitness(newEpoch: "one", at: now).mode == nil)
            #expect(witness.read() == WitnessStatement(epoch: "one", sequence: 3, at: now))
            // An even older database in a directory with a witness is a copy.
            let otherWitness = MemoryWitness(WitnessStatement(epoch: "other", sequence: 0, at: now))
            let directory = try TemporaryDirectory()
            let old = try SQLiteDriver.open(path: directory.file("old.sqlite"))
            #expect(try await TaskStore(old, witness: otherWitness).checkWitness(newEpoch: "two", at: now).mode != nil)
            try old.close()
        }
    }

    @Test func `a database without its witness is a copy, even if no attempt was started`() async throws {
        try await with { (store: TaskStore, witness: MemoryWitness) async throws in
            #expect(try await store.checkWitness(newEpoch: "one", at: now).mode == nil)
            _ = try await store.insert(.new(.task(1)))
            witness.statement.withLock { $0 = nil }
            #expect(try await store.checkWitness(newEpoch: "two", at: now).mode != nil)
            #expect(try await store.task(TrackedTask.task(1).id)?.state == .uncertain)
        }
    }

    @Test func `the attempt period of a task that is uncertain in a copy extends to the start`() async throws {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            _ = try await store.apply(
                .submissionInterrupted(
                    TaskFailure(code: TaskFailure.daemonStopped, message: ""), isProbablyRefused: false),
                to: TrackedTask.task(1).id, at: now, nextDueAt: now)
            witness.statement.withLock { $0?.isOriginal = false }
            let later = now + .seconds(600)
            _ = try #require(try await store.checkWitness(newEpoch: "two", at: later).mode)
            let task = try #require(try await store.task(TrackedTask.task(1).id))
            #expect(task.attempt?.endedAt == later)
            #expect(task.failure?.code == "reply_lost")
            #expect(!task.wasPerhapsSent)
        }
    }

    @Test func `the queued tasks of a second copy become uncertain too`() async throws {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            witness.statement.withLock { $0?.isOriginal = false }
            _ = try #require(try await store.checkWitness(newEpoch: "two", at: now).mode)
            _ = try await store.insert(.new(.task(3, at: now + .seconds(1))))
            // The first copy was accepted elsewhere, and a copy from before that is restored.
            witness.statement.withLock { $0?.epoch = "accepted" }
            _ = try #require(try await store.checkWitness(newEpoch: "three", at: now + .seconds(9)).mode)
            #expect(try await store.task(TrackedTask.task(3, at: now + .seconds(1)).id)?.state == .uncertain)
        }
    }

    @Test func `a database is not a copy after a crash between the writes of epoch and witness`() async throws {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            witness.isFull.withLock { $0 = true }
            witness.statement.withLock { $0?.isOriginal = false }
            _ = try #require(try await store.checkWitness(newEpoch: "two", at: now).mode)
            // The new epoch is on disk, its witness is not.
            await #expect(throws: TaskStoreError.full) { _ = try await store.acceptRestore(newEpoch: "two", at: now) }
            witness.isFull.withLock { $0 = false }
            #expect(try await store.checkWitness(newEpoch: "three", at: now).mode == nil)
            #expect(witness.read()?.epoch == "two")
        }
    }

    @Test func `a witness that cannot be written is a storage failure until it can`() async throws {
        try await withStarted { (store: TaskStore, witness: MemoryWitness) async throws in
            witness.isFull.withLock { $0 = true }
            _ = try await store.apply(
                .submissionStarted(), to: TrackedTask.task(2).id, under: .testing, at: now, nextDueAt: now)
            await #expect(throws: TaskStoreError.full) { try await store.secureWitness(at: now) }
            let condition = await store.condition()
            #expect(condition == .failed(.full))
            witness.isFull.withLock { $0 = false }
            let recovered = await store.condition()
            #expect(recovered == .sound)
            #expect(witness.read()?.sequence == 4)
        }
    }
}
