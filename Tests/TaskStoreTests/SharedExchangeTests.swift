import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Programs that repeat a request at the gateway of another process of a shared store.
@Suite struct SharedExchangeTests {
    private struct Shared {
        let clock: ManualTimeSource
        let here: TaskStore
        let there: TaskStore

        /// A submission of the same content that arrives at that process.
        func submit(
            _ number: Int, at store: TaskStore, since: Timestamp? = nil, isCounted: Bool = false
        ) async throws -> PassedResult {
            let arrival = PassedSubmission.Arrival(
                contentKey: Self.key, mark: store.mark(UInt32(number)), since: since ?? clock.now(),
                isCountedRetry: isCounted, mayJoin: true, rule: JoinRule())
            return try await store.submit(
                PassedSubmission(task: .new(.task(number)), message: PassedMessage(), arrival: arrival), after: [],
                at: clock.now())
        }

        func renew(_ store: TaskStore) async throws {
            _ = try await store.acquire([LeaseName(processOf: store.holder.token)], at: clock.now())
        }

        static let key = [UInt8](repeating: 1, count: 32)
    }

    private func with(_ body: (Shared) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let clock = ManualTimeSource()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let driver = ClockedDriver(sqlite) { clock.now() }
        let stores = (1...2).map { number in
            TaskStore(driver, holder: LeaseHolder(name: "process \(number)", token: LeaseToken(UInt128(number))))
        }
        try await body(Shared(clock: clock, here: stores[0], there: stores[1]))
        try sqlite.close()
    }

    private func id(_ number: Int) -> TaskID { TrackedTask.task(number).id }

    @Test(arguments: [false, true])
    func `a request waits until the process of an equal one is known to live`(isCounted: Bool) async throws {
        try await with { shared in
            #expect(try await shared.submit(1, at: shared.here) == .inserted(.created))
            let arrived = shared.clock.now()
            func submit() async throws -> PassedResult {
                try await shared.submit(2, at: shared.there, since: arrived, isCounted: isCounted)
            }
            // A renewal from before the arrival says nothing.
            shared.clock.advance(by: .milliseconds(900))
            try await shared.renew(shared.here)
            shared.clock.advance(by: .seconds(5))
            #expect(try await submit() == .undecided(until: shared.clock.now() + .seconds(1)))
            #expect(try await shared.there.task(id(2)) == nil)
            try await shared.renew(shared.here)
            #expect(try await submit() == .inserted(.created))
        }
    }

    @Test func `an equal request gets a new task after the first reply was delivered`() async throws {
        try await with { shared in
            _ = try await shared.submit(1, at: shared.here)
            try await shared.here.settle([
                ExchangeFate(
                    mark: shared.here.mark(1), contentKey: Shared.key, fate: .delivered, at: shared.clock.now())
            ])
            #expect(try await shared.submit(2, at: shared.there) == .inserted(.created))
        }
    }

    @Test(arguments: [false, true])
    func `a repeat gets the task of a process that died before its reply`(isRenewed: Bool) async throws {
        try await with { shared in
            _ = try await shared.submit(1, at: shared.here)
            shared.clock.advance(by: Lease.term - .milliseconds(1))
            #expect(try await shared.submit(2, at: shared.there) == .undecided(until: shared.clock.now() + .seconds(1)))
            shared.clock.advance(by: .milliseconds(1))
            // The renewal of any process ends what a dead one has left.
            if isRenewed { try await shared.renew(shared.there) }
            #expect(try await shared.submit(2, at: shared.there) == .joined(id(1)))
            // The task is claimed, and another equal request is not the same one.
            #expect(try await shared.submit(3, at: shared.there) == .inserted(.created))
        }
    }

    @Test func `a process that goes on after its lease has expired opens no exchange without one`() async throws {
        try await with { shared in
            _ = try await shared.submit(1, at: shared.here)
            shared.clock.advance(by: .seconds(100))
            // The lease has expired, so the open exchange counts as undelivered.
            #expect(try await shared.submit(2, at: shared.there) == .joined(id(1)))
            #expect(
                try await shared.submit(3, at: shared.here) == .undecided(until: shared.clock.now() + .seconds(1)))
            try await shared.renew(shared.there)
            shared.clock.advance(by: .seconds(2))
            try await shared.renew(shared.there)
            let earlier = shared.clock.now() - .seconds(2)
            #expect(try await shared.submit(3, at: shared.here, since: earlier) == .inserted(.created))
            // It has a lease again, so its new exchange counts as open.
            #expect(
                try await shared.submit(4, at: shared.there) == .undecided(until: shared.clock.now() + .seconds(1)))
        }
    }
}
