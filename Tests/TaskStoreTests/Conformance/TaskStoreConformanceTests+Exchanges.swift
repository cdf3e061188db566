import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the exchanges of the gateway in any store.
extension TaskStoreConformanceTests {
    private func key(_ byte: UInt8 = 1) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

    /// A submission that came through the gateway.
    private func passed(
        _ number: Int, mark: Int64, key content: UInt8 = 1, isCountedRetry: Bool = false, mayJoin: Bool = true,
        message: PassedMessage = PassedMessage()
    ) -> PassedSubmission {
        PassedSubmission(
            task: .new(.task(number)), message: message,
            arrival: PassedSubmission.Arrival(
                contentKey: key(content), mark: mark, since: now, isCountedRetry: isCountedRetry, mayJoin: mayJoin,
                rule: JoinRule()))
    }

    private func fate(_ fate: Exchange.Fate, of mark: Int64, at time: Timestamp) -> ExchangeFate {
        ExchangeFate(mark: mark, contentKey: key(), fate: fate, at: time)
    }

    private func id(_ number: Int) -> TaskID { TrackedTask.task(number).id }

    @Test func `a retry claims a lost exchange once, and the log names it`() async throws {
        try await with { (store: TaskStore) async throws in
            #expect(try await store.submit(passed(1, mark: 1), after: [], at: now) == .inserted(.created))
            let lost = [fate(.undelivered, of: 1, at: now)]
            #expect(try await store.submit(passed(2, mark: 2), after: lost, at: now) == .joined(id(1)))
            // The exchange of the retry is open, and the first one is claimed.
            #expect(try await store.submit(passed(3, mark: 3), after: [], at: now) == .inserted(.created))
            let joined = try await store.events(of: id(1), after: 0, limit: 9).last
            #expect(joined?.entry.kind == "joined")
            #expect(joined?.entry.detail["fate"] == "undelivered")
            #expect(joined?.entry.detail["exchange"] == 1)
            #expect(try await store.task(id(2)) == nil)
        }
    }

    @Test func `equal requests that are open are different tasks`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 1...4 {
                let result = try await store.submit(passed(number, mark: Int64(number)), after: [], at: now)
                #expect(result == .inserted(.created))
            }
        }
    }

    @Test func `the end of one process leaves undelivered only what was open there`() async throws {
        try await EachDatabase.with { driver in
            let stores = (1...2).map {
                TaskStore(driver, holder: LeaseHolder(name: "process \($0)", token: LeaseToken(UInt128($0) << 97)))
            }
            for (place, store) in stores.enumerated() {
                _ = try await store.acquire([LeaseName(processOf: store.holder.token)], at: now)
                let own = passed(place + 1, mark: store.mark(7))
                #expect(try await store.submit(own, after: [], at: now) == .inserted(.created))
            }
            try await stores[0].releaseLeases(at: now)
            let (next, last) = (passed(3, mark: stores[1].mark(8)), passed(4, mark: stores[1].mark(9)))
            #expect(try await stores[1].submit(next, after: [], at: now) == .joined(id(1)))
            #expect(try await stores[1].submit(last, after: [], at: now) == .inserted(.created))
        }
    }

    @Test func `the first fate of an exchange counts`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            try await store.settle([fate(.unanswered, of: 1, at: now), fate(.delivered, of: 1, at: now)])
            let later = now + .seconds(100_000)
            #expect(try await store.submit(passed(2, mark: 2), after: [], at: later) == .joined(id(1)))
        }
    }

    @Test func `a counted retry waits, and claims a delivered exchange that is not known to be received`() async throws
    {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            let counted = passed(2, mark: 2, isCountedRetry: true)
            let delivered = [fate(.delivered, of: 1, at: now)]
            let first = try await store.submit(counted, after: delivered, at: now + .seconds(3))
            #expect(first == .undecided(until: now + .seconds(10)))
            #expect(try await store.task(id(2)) == nil)
            #expect(try await store.submit(counted, after: [], at: now + .seconds(10)) == .joined(id(1)))
        }
    }

    @Test func `a received exchange is claimed by nothing, also after it was delivered`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            _ = try await store.submit(passed(2, mark: 2, mayJoin: false), after: [], at: now)
            try await store.settle([fate(.delivered, of: 1, at: now)])
            #expect(try await store.deliveredExchanges().map(\.task) == [id(1)])
            #expect(try await store.deliveredExchanges().map(\.fate) == [fate(.delivered, of: 1, at: now)])
            #expect(try await store.deliveredExchanges(since: now).count == 1)
            #expect(try await store.deliveredExchanges(since: now + .milliseconds(1)).isEmpty)
            let received = [fate(.received, of: 1, at: now), fate(.received, of: 2, at: now)]
            let counted = passed(3, mark: 3, isCountedRetry: true)
            #expect(try await store.submit(counted, after: received, at: now + .seconds(20)) == .inserted(.created))
            #expect(try await store.deliveredExchanges().isEmpty)
        }
    }

    @Test func `what was open at the end of a process is lost`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            try await store.endOpenExchanges(at: now + .seconds(5_000))
            let later = now + .seconds(5_600)
            #expect(try await store.submit(passed(2, mark: 2), after: [], at: later) == .joined(id(1)))
        }
    }

    @Test func `another content, or a wish for a task of its own, joins nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            try await store.settle([fate(.undelivered, of: 1, at: now)])
            #expect(try await store.submit(passed(2, mark: 2, key: 2), after: [], at: now) == .inserted(.created))
            let own = passed(3, mark: 3, mayJoin: false)
            #expect(try await store.submit(own, after: [], at: now) == .inserted(.created))
            #expect(try await store.submit(passed(4, mark: 4), after: [], at: now) == .joined(id(1)))
        }
    }

    @Test func `exchanges that can be claimed no more are dropped`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            _ = try await store.submit(passed(2, mark: 2), after: [], at: now)
            try await store.settle([fate(.delivered, of: 1, at: now), fate(.undelivered, of: 2, at: now)])
            let later = now + .seconds(601)
            let counted = passed(3, mark: 3, isCountedRetry: true)
            #expect(try await store.submit(counted, after: [], at: later) == .inserted(.created))
            // By a rule that would allow it.
            #expect(try await store.submit(passed(4, mark: 4), after: [], at: now) == .inserted(.created))
        }
    }

    @Test func `an unanswered exchange of a task that was given up is claimed no more`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.submit(passed(1, mark: 1), after: [], at: now)
            try await store.settle([fate(.unanswered, of: 1, at: now)])
            for event in [
                TaskEvent.submissionStarted(),
                .submissionInterrupted(TaskFailure(code: "reply_lost", message: "m"), isProbablyRefused: false),
                .givenUp(.submissionLost(because: "it was given up"), .givenUp),
            ] {
                _ = try await store.apply(event, to: id(1), under: .testing, at: now, nextDueAt: now)
            }
            #expect(try await store.task(id(1))?.failure?.code == TaskFailure.submissionLost)
            #expect(try await store.submit(passed(2, mark: 2), after: [], at: now) == .inserted(.created))
        }
    }

    @Test func `what a program sent and what it was answered are kept as they came`() async throws {
        try await with { (store: TaskStore) async throws in
            let message = PassedMessage(
                query: "a=1&b=%20", headers: ["x-own": "ä", "x-runway-version": "2024"],
                contentType: "multipart/form-data; boundary=X", body: [0, 255, 13, 10])
            _ = try await store.submit(passed(1, mark: 1, message: message), after: [], at: now)
            #expect(try await store.passedMessage(of: id(1)) == message)
            #expect(try await store.passedMessage(of: id(2)) == nil)
            _ = try await store.apply(.submissionStarted(), to: id(1), under: .testing, at: now, nextDueAt: now)
            var accepted = ScheduledEvent(
                .submissionAccepted(try remote("r"), traceID: nil), for: id(1), nextDueAt: now)
            let reply = SubmissionReply(
                status: 201, contentType: "application/json", body: Array(#"{ "id":"r" }"#.utf8))
            accepted.reply = reply
            _ = try await store.apply([accepted], at: now)
            #expect(try await store.submissionReply(of: id(1)) == reply)
            let owners = try await store.owners(of: [remote("r"), remote("s")], in: ["song", "image"])
            #expect(owners == [try remote("r"): id(1)])
        }
    }

    @Test func `tokens have different names`() async throws {
        try await with { (store: TaskStore) async throws in
            let digests = try [UInt8(1), 2].map { try #require(CallbackDigest([UInt8](repeating: $0, count: 32))) }
            let one = LocalToken(name: "one", digest: digests[0], createdAt: now)
            #expect(try await store.add(one))
            #expect(try await !store.add(LocalToken(name: "one", digest: digests[1], createdAt: now)))
            #expect(try await store.localTokens() == [one])
            #expect(try await store.removeLocalToken(named: "one"))
            #expect(try await !store.removeLocalToken(named: "one"))
            #expect(try await store.localTokens().isEmpty)
        }
    }
}
