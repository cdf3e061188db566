import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// What the journals of the machines prove about a server that has taken over.
@Suite struct JournalTests {
    /// One database on a server, and two machines.
    private final class World: Sendable {
        let clock = ManualTimeSource()
        let name = ServerName()
        let journals = [MemoryJournal(), MemoryJournal()]
        let driver: ClockedDriver

        init(_ sqlite: SQLiteDriver) {
            driver = ClockedDriver(sqlite, server: { [name] _ in name.text }) { [clock] in clock.now() }
        }

        /// A process on the first or second machine.
        func store(on machine: Int, process: Int = 1, journal: MemoryJournal? = nil) -> TaskStore {
            TaskStore(
                driver,
                holder: LeaseHolder(
                    name: "process \(process) on host-\(machine)", token: LeaseToken(UInt128(machine * 10 + process))),
                journal: journal ?? journals[machine])
        }

        /// Starts a process.
        func start(_ store: TaskStore) async throws -> JournalFinding? {
            try await store.beginJournal()
            _ = try await store.checkWitness(newEpoch: "epoch", at: clock.now())
            let finding = try await store.compareJournal(newEpoch: "next", at: clock.now())
            _ = try await store.acquire([LeaseName(processOf: store.holder.token)], at: clock.now())
            return finding
        }
    }

    private final class ServerName: Sendable {
        private let name = Mutex("one")
        var text: String { name.withLock { $0 } }
        func change(to text: String) { name.withLock { $0 = text } }
    }

    private func with(_ body: (World) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await body(World(sqlite))
        try sqlite.close()
    }

    private func entry(
        _ task: TrackedTask, number: Int = 1, at start: Timestamp, callback: CallbackDigest? = nil, place: Int64 = 1
    ) -> JournalEntry {
        JournalEntry(
            task: task.id, attempt: Attempt(number: number, startedAt: start, callback: callback),
            account: AccountName(stored: "second"), place: place)
    }

    @Test func `nothing is paid until each machine that had a lease has compared its journal`() async throws {
        try await with { world in
            let (first, second) = (world.store(on: 0), world.store(on: 1))
            for store in [first, second] { #expect(try await world.start(store)?.mode == nil) }
            let task = TrackedTask.task(1)
            _ = try await first.insert(.new(task))
            _ = try await first.acquire([.testing], at: world.clock.now())
            world.name.change(to: "two")
            // Before anybody has noticed, too.
            await #expect(throws: TaskStoreError.restored) {
                try await first.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil)
            }
            await #expect(throws: TaskStoreError.restored) {
                try await first.acquire([.testing], at: world.clock.now())
            }
            let finding = try #require(try await world.start(first))
            #expect(finding.mode?.journals?.words == "process 1 on host-1")
            #expect(finding.recovered.isEmpty)
            #expect(try await first.task(task.id)?.state == .queued)
            // The lease of the work is nobody's.
            #expect(try await second.acquire([.testing], at: world.clock.now()).held.isEmpty)
            await #expect(throws: TaskStoreError.restored) {
                try await second.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil)
            }
            world.clock.advance(by: .seconds(60))
            #expect(try await !first.endJournalWait(at: world.clock.now()))
            #expect(second.mustCompareJournal(with: "two") && !first.mustCompareJournal(with: "two"))
            #expect(
                try await second.compareJournal(newEpoch: "next", at: world.clock.now())?.mode?.journals?.words == nil)
            #expect(try await first.endJournalWait(at: world.clock.now()))
            #expect(try await first.restoredMode() == nil)
        }
    }

    @Test func `the wait lasts as long as a lease, for machines that the database does not know`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            world.name.change(to: "two")
            #expect(try await world.start(store)?.mode?.journals?.awaited.isEmpty == true)
            world.clock.advance(by: Lease.term - .milliseconds(1))
            #expect(try await !store.endJournalWait(at: world.clock.now()))
            world.clock.advance(by: .milliseconds(1))
            #expect(try await store.endJournalWait(at: world.clock.now()))
        }
    }

    @Test func `the next process of a machine speaks for a former one`() async throws {
        try await with { world in
            _ = try await world.start(world.store(on: 0))
            world.name.change(to: "two")
            let next = try await world.start(world.store(on: 0, process: 2))
            #expect(next?.mode?.journals?.awaited.isEmpty == true)
        }
    }

    @Test func `an attempt that the database has lost makes its task uncertain, by its account and time`() async throws
    {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            let digest = try #require(CallbackDigest((0..<32).map { UInt8($0) }))
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let start = world.clock.now()
            try await world.journals[0].append(.attempt(entry(task, at: start, callback: digest)))
            world.clock.advance(by: .seconds(9))
            world.name.change(to: "two")
            #expect(try await world.start(store)?.recovered.map(\.task) == [task.id])
            let found = try #require(try await store.task(task.id))
            #expect(found.state == .uncertain && found.attempts == 1 && found.account.text == "second")
            #expect(found.attempt?.startedAt == start && found.attempt?.endedAt == world.clock.now())
            #expect(found.failure?.code == TaskFailure.replyLost)
            #expect(try await store.owner(of: digest)?.task.id == task.id)
            // It is known from now on.
            world.clock.advance(by: .seconds(60))
            #expect(try await store.endJournalWait(at: world.clock.now()))
            #expect(try await world.start(world.store(on: 0, process: 2))?.recovered.isEmpty == true)
            // The late reply of the attempt is taken.
            let id = try #require(RemoteTaskID("remote"))
            _ = try await store.apply(
                [ScheduledEvent(.submissionAccepted(id, traceID: nil), for: task.id, attempt: 1, nextDueAt: nil)],
                at: world.clock.now())
            #expect(try await store.task(task.id)?.remoteID == id)
        }
    }

    @Test func `a journal that comes late reports what went on meanwhile and what was lost whole`() async throws {
        try await with { world in
            let (store, late) = (world.store(on: 0), world.store(on: 1))
            _ = try await world.start(store)
            let (task, gone) = (TrackedTask.task(1), TrackedTask.task(2))
            _ = try await store.insert(.new(task))
            try await world.journals[1].append(.process(LeaseToken(99)))
            try await world.journals[1].append(.compared(server: "one", place: 0))
            try await world.journals[1].append(.attempt(entry(gone, at: world.clock.now())))
            try await world.journals[1].append(.attempt(entry(task, at: world.clock.now())))
            world.name.change(to: "two")
            _ = try await world.start(store)
            world.clock.advance(by: .seconds(60))
            #expect(try await store.endJournalWait(at: world.clock.now()))
            _ = try await store.acquire([.testing], at: world.clock.now())
            _ = try await store.apply(
                .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil)
            world.clock.advance(by: .seconds(1))
            let finding = try #require(try await world.start(late))
            #expect(finding.late.map(\.task) == [task.id] && finding.orphans.map(\.task) == [gone.id])
            #expect(finding.recovered.isEmpty && finding.mode == nil)
            #expect(try await store.task(task.id)?.state == .submitting)
            // Each is reported once.
            let again = try #require(try await world.start(world.store(on: 1, process: 2)))
            #expect(again.late.isEmpty && again.orphans.isEmpty && again.mode == nil)
        }
    }

    @Test func `a machine that cannot come back is left out by a person, and every queued task is looked up`()
        async throws
    {
        try await with { world in
            let (first, second) = (world.store(on: 0), world.store(on: 1))
            for store in [first, second] { _ = try await world.start(store) }
            let task = TrackedTask.task(1)
            _ = try await first.insert(.new(task))
            world.name.change(to: "two")
            _ = try await world.start(first)
            world.clock.advance(by: .seconds(600))
            let mode = try #require(try await first.giveUpJournals(at: world.clock.now()))
            #expect(mode.journals == nil)
            #expect(try await first.task(task.id)?.failure?.code == TaskFailure.perhapsSent)
            #expect(try await !first.endJournalWait(at: world.clock.now()))
            #expect(try await first.acceptRestore(newEpoch: "e", at: world.clock.now()) == 1)
            #expect(try await first.task(task.id)?.state == .queued)
        }
    }

    @Test func `a journal that has lost older lines than the database lacks leaves it to a person`() async throws {
        try await with { world in
            let task = TrackedTask.task(1)
            let lines: [JournalLine] = [.process(LeaseToken(1)), .attempt(entry(task, at: world.clock.now()))]
            let store = world.store(on: 0, journal: MemoryJournal(lines, isWhole: false))
            let (queued, other) = (TrackedTask.task(2), world.store(on: 1))
            _ = try await world.start(other)
            _ = try await other.insert(.new(task))
            _ = try await other.insert(.new(queued))
            world.name.change(to: "two")
            let finding = try #require(try await world.start(store))
            #expect(finding.mode != nil && finding.mode?.journals == nil)
            #expect(try await store.task(queued.id)?.failure?.code == TaskFailure.perhapsSent)
        }
    }

    @Test func `an older copy on the same server is left to a person`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            let (task, queued) = (TrackedTask.task(1), TrackedTask.task(2))
            for task in [task, queued] { _ = try await store.insert(.new(task)) }
            let later = JournalLine.attempt(entry(task, at: world.clock.now(), place: 1_000))
            try await world.journals[0].append(later)
            let finding = try #require(try await world.start(world.store(on: 0, process: 2)))
            #expect(finding.mode?.reason.contains("later than the database") == true)
            #expect(finding.mode?.journals == nil && finding.recovered.count == 1)
            #expect(try await store.task(queued.id)?.failure?.code == TaskFailure.perhapsSent)
        }
    }

    @Test func `attempts that the database has are no news, whatever became of them`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            _ = try await store.acquire([.testing], at: world.clock.now())
            for number in 1...3 {
                let task = TrackedTask.task(number)
                _ = try await store.insert(.new(task))
                for _ in 1...number {
                    world.clock.advance(by: .seconds(1))
                    let change = try await store.apply(
                        .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil)
                    let started = try #require(change?.task)
                    try await store.noteStart(of: started, at: world.clock.now())
                    let failure = TaskFailure(code: "busy", message: "Busy.")
                    _ = try await store.apply(
                        .submissionNotAccepted(failure), to: task.id, at: world.clock.now(), nextDueAt: nil)
                }
            }
            #expect(world.journals[0].lines.count == 2 + 6)
            world.name.change(to: "two")
            let finding = try #require(try await world.start(world.store(on: 0, process: 2)))
            #expect(finding.recovered.isEmpty && finding.late.isEmpty && finding.orphans.isEmpty)
        }
    }

    @Test func `an attempt is no news if its reply was recorded before the journal was compared`() async throws {
        for isAccepted in [true, false] {
            try await with { world in
                let store = world.store(on: 0)
                _ = try await world.start(store)
                let task = TrackedTask.task(1)
                _ = try await store.insert(.new(task))
                try await world.journals[0].append(.attempt(entry(task, at: world.clock.now())))
                world.name.change(to: "two")
                let id = try #require(RemoteTaskID("remote"))
                let failure = TaskFailure(code: "busy", message: "Busy.")
                let event: TaskEvent =
                    isAccepted ? .submissionAccepted(id, traceID: nil) : .submissionNotAccepted(failure)
                _ = try await store.apply(
                    [ScheduledEvent(event, for: task.id, attempt: 1, nextDueAt: nil)], at: world.clock.now())
                let finding = try #require(try await world.start(store))
                #expect(finding.recovered.isEmpty && finding.late.isEmpty && finding.orphans.isEmpty)
                #expect(try await store.task(task.id)?.state == (isAccepted ? .running : .queued))
            }
        }
    }

    @Test func `tasks that were removed after their time are not reported as lost`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            _ = try await store.acquire([.testing], at: world.clock.now())
            for number in 10...250 {
                try await world.journals[0].append(.attempt(entry(TrackedTask.task(number), at: world.clock.now())))
            }
            world.clock.advance(by: .seconds(61))
            _ = try await store.acquire([.testing], at: world.clock.now())
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let started = try #require(
                try await store.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil))
            try await store.noteStart(of: started.task, at: world.clock.now())
            // This one is later, and lost.
            let lost = TrackedTask.task(2)
            try await world.journals[0].append(.attempt(entry(lost, at: world.clock.now() + .seconds(1))))
            world.name.change(to: "two")
            let finding = try #require(try await world.start(store))
            #expect(finding.orphans.map(\.task) == [lost.id])
        }
    }

    @Test func `a process that ends on the new server before anybody has noticed it is awaited`() async throws {
        try await with { world in
            let (first, second) = (world.store(on: 0), world.store(on: 1))
            for store in [first, second] { _ = try await world.start(store) }
            world.name.change(to: "two")
            try await second.releaseLeases(at: world.clock.now())
            #expect(try await world.start(first)?.mode?.journals?.words == "process 1 on host-1")
        }
    }

    @Test func `a claim needs a journal that was compared with the server of its connection`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            _ = try await store.acquire([.testing], at: world.clock.now())
            // Another process has noticed the server, and its wait is over.
            world.name.change(to: "two")
            _ = try await world.driver.write(for: .write("test")) {
                try $0.put(.server, "two")
            } committed: { _ in
            }
            func claim() async throws {
                _ = try await store.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil)
            }
            await #expect(throws: TaskStoreError.restored) { try await claim() }
            #expect(try await store.compareJournal(newEpoch: "e", at: world.clock.now())?.mode == nil)
            try await claim()
        }
    }

    @Test func `a server that another one had replaced is left to a person`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            world.name.change(to: "two")
            _ = try await world.start(store)
            world.clock.advance(by: .seconds(60))
            #expect(try await store.endJournalWait(at: world.clock.now()))
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            // What the database of the former server says.
            world.name.change(to: "one")
            _ = try await world.driver.write(for: .write("test")) {
                try $0.put(.server, "one")
            } committed: { _ in
            }
            #expect(store.mustCompareJournal(with: "one"))
            let mode = try #require(try await store.compareJournal(newEpoch: "e", at: world.clock.now())?.mode)
            #expect(mode.journals == nil && mode.reason.contains("another one had replaced"))
            #expect(try await store.task(task.id)?.state == .uncertain)
        }
    }

    @Test func `an attempt in a journal takes the place of a guess`() async throws {
        try await with { world in
            let (first, second) = (world.store(on: 0), world.store(on: 1))
            for store in [first, second] { _ = try await world.start(store) }
            let task = TrackedTask.task(1)
            _ = try await first.insert(.new(task))
            let start = world.clock.now()
            try await world.journals[1].append(.attempt(entry(task, at: start)))
            world.name.change(to: "two")
            _ = try await world.start(first)
            world.clock.advance(by: .seconds(600))
            _ = try await first.giveUpJournals(at: world.clock.now())
            #expect(try await first.task(task.id)?.wasPerhapsSent == true)
            #expect(try await world.start(second)?.recovered.map(\.task) == [task.id])
            let found = try #require(try await first.task(task.id))
            #expect(found.failure?.code == TaskFailure.replyLost && found.attempt?.startedAt == start)
            // So accepting the copy does not send it again.
            #expect(try await first.acceptRestore(newEpoch: "e", at: world.clock.now()) == 0)
        }
    }

    @Test func `a journal that was replaced while its process ran proves nothing`() async throws {
        try await with { world in
            let store = world.store(on: 0)
            _ = try await world.start(store)
            world.name.change(to: "two")
            let replaced = TaskStore(world.driver, holder: store.holder, journal: MemoryJournal())
            _ = try await replaced.checkWitness(newEpoch: "e", at: world.clock.now())
            let finding = try #require(try await replaced.compareJournal(newEpoch: "e", at: world.clock.now()))
            #expect(finding.mode != nil && finding.mode?.journals == nil)
        }
    }

    @Test func `a person cannot accept a server that is being compared`() async throws {
        try await with { world in
            let (first, second) = (world.store(on: 0), world.store(on: 1))
            for store in [first, second] { _ = try await world.start(store) }
            world.name.change(to: "two")
            _ = try await world.start(first)
            await #expect(throws: TaskStoreError.restored) {
                _ = try await second.acceptRestore(newEpoch: "e", at: world.clock.now())
            }
        }
    }

    @Test func `a task whose start is there and whose reply was lost does not stay as being sent`() async throws {
        try await with { world in
            let (store, other) = (world.store(on: 0), world.store(on: 1))
            for store in [store, other] { _ = try await world.start(store) }
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            _ = try await store.acquire([.testing], at: world.clock.now())
            let started = try #require(
                try await store.apply(
                    .submissionStarted(), to: task.id, under: .testing, at: world.clock.now(), nextDueAt: nil))
            try await store.noteStart(of: started.task, at: world.clock.now())
            world.name.change(to: "two")
            // The other machine cannot know.
            _ = try await world.start(other)
            #expect(try await store.task(task.id)?.state == .submitting)
            _ = try await world.start(store)
            #expect(try await store.task(task.id)?.state == .uncertain)
            // The reply may still be on its way.
            let id = try #require(RemoteTaskID("remote"))
            _ = try await store.apply(
                [ScheduledEvent(.submissionAccepted(id, traceID: nil), for: task.id, attempt: 1, nextDueAt: nil)],
                at: world.clock.now())
            #expect(try await store.task(task.id)?.state == .running)
        }
    }
}
