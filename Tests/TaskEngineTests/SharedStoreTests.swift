import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import TaskEngine

/// Two daemons on one store.
@Suite struct SharedStoreTests {
    private func worlds(retention: RetentionPolicy = RetentionPolicy()) async throws -> (EngineWorld, EngineWorld) {
        let first = try await EngineWorld(retention: retention, isShared: true)
        let second = try await EngineWorld(
            seed: 2, time: first.time, from: first, retention: retention, isShared: true)
        try await first.engine.recovery.run()
        try await second.engine.recovery.run()
        return (first, second)
    }

    /// One look of every kind that a daemon takes at what others do.
    private func look(_ world: EngineWorld) async throws {
        _ = try await world.engine.renewal?.step()
        _ = try await world.engine.follower?.step()
    }

    @Test func `another daemon sends nothing while the lease is renewed, and takes over once it has expired`()
        async throws
    {
        let (first, second) = try await worlds()
        first.provider.enqueue(.accepted("r-1"))
        try await first.submit()
        _ = try await first.engine.submitter.step()
        #expect(first.provider.paid.count == 1)
        let queued = try await second.submit()
        for _ in 1...10 {
            _ = try await second.engine.submitter.step()
            #expect(second.provider.paid.isEmpty)
            first.time.advance(by: .seconds(5))
            try await look(first)
            try await look(second)
        }
        #expect(await second.service.forecast(of: try await second.task(queued)).waitingFor?.code == "lease_held")
        // The first one dies.
        first.time.advance(by: .seconds(14))
        try await look(second)
        _ = try await second.engine.submitter.step()
        #expect(second.provider.paid.isEmpty)
        first.time.advance(by: .seconds(1))
        second.provider.enqueue(.accepted("r-2"))
        try await look(second)
        _ = try await second.engine.submitter.step()
        #expect(second.provider.paid.count == 1)
    }

    @Test func `a request whose lease ends before its first byte is not sent, and waits in the queue`() async throws {
        let (first, _) = try await worlds()
        let id = try await first.submit()
        first.provider.play { [time = first.time] sent throws(UpstreamTransportError) in
            // The connection takes longer than the lease, or the daemon stands still.
            time.advance(by: .seconds(11))
            try sent.request.permit.check()
            time.advance(by: .seconds(1))
            try sent.request.permit.check()
            return .accepted("r-1")
        }
        _ = try await first.engine.submitter.step()
        let task = try await first.task(id)
        #expect(task.state == .queued)
        #expect(task.attempts == 1)
        #expect(task.failure?.code == "not_sent")
        #expect(try await first.kinds(of: id) == ["created", "submission_started", "submission_not_accepted"])
        // The provider is not to blame.
        #expect(try await first.sqlite.circuits().allSatisfy { $0.failures == 0 })
    }

    @Test func `a lease that comes back allows no request of the time before`() async throws {
        let (first, second) = try await worlds()
        _ = try await second.submit()
        let keepers = [first, second].map { $0.engine.submitter.worker.admission.leases }
        let account = ProviderAccount(provider: "testing")
        let now = first.time.now()
        #expect(throws: UpstreamTransportError.leaseExpired) {
            try keepers[0].permit(under: .testing).check()
        }
        try await keepers[0].acquire([account], at: now)
        let permit = keepers[0].permit(under: .testing)
        // A renewal in time prolongs it.
        first.time.advance(by: .seconds(11))
        _ = try await keepers[0].renew(at: first.time.now())
        first.time.advance(by: .seconds(2))
        try permit.check()
        // It has ended here, and has not expired in the store.
        first.time.advance(by: .seconds(11))
        #expect(throws: UpstreamTransportError.leaseExpired) { try permit.check() }
        _ = try await keepers[0].renew(at: first.time.now())
        #expect(throws: UpstreamTransportError.leaseExpired) { try permit.check() }
        let next = keepers[0].permit(under: .testing)
        try next.check()
        // Another process had it in between.
        first.time.advance(by: .seconds(15))
        try await keepers[1].acquire([account], at: first.time.now())
        first.time.advance(by: .seconds(15))
        _ = try await keepers[0].renew(at: first.time.now())
        #expect(throws: UpstreamTransportError.leaseExpired) { try next.check() }
        try keepers[0].permit(under: .testing).check()
    }

    @Test func `the submission of a daemon that stands still becomes uncertain, and its reply is recorded`()
        async throws
    {
        let (first, second) = try await worlds()
        let id = try await first.submit()
        // The second one knows the lease.
        try await first.submit()
        let state = Mutex<TaskState?>(nil)
        first.provider.play { [self, time = first.time] _ throws(UpstreamTransportError) in
            do {
                _ = try await second.engine.submitter.step()
                time.advance(by: .seconds(14))
                try await look(second)
                #expect(try await second.task(id).state == .submitting)
                time.advance(by: .seconds(1))
                try await look(second)
                let task = try await second.task(id)
                state.withLock { $0 = task.state }
                // It may still send, so its attempt does not count as one that ended with its daemon.
                #expect(task.failure?.code == TaskFailure.replyLost)
            } catch { throw .notSent("\(error)") }
            return .accepted("r-1")
        }
        var work: [Submitter.Work] = []
        _ = try await first.engine.submitter.worker.claim(into: &work, at: first.time.now())
        let sent = try #require(work.first { $0.task.id == id })
        await first.engine.submitter.worker.perform(sent)
        #expect(state.withLock { $0 } == .uncertain)
        #expect(try await first.task(id).state == .running)
        #expect(second.provider.paid.isEmpty)
    }

    @Test func `changes by another daemon wake loops, and reach clients and circuit breakers`() async throws {
        let (first, second) = try await worlds()
        try await look(first)
        first.engine.submitter.worker.wakes.submitter.takeSignal()
        let id = try await second.submit()
        #expect(!first.engine.submitter.worker.wakes.submitter.isSignalled)
        try await look(first)
        #expect(first.engine.submitter.worker.wakes.submitter.isSignalled)
        let waiter = try #require(first.engine.submitter.worker.feed.subscribe(to: id))
        _ = try await second.service.cancel(id)
        try await look(first)
        #expect(waiter.wake.isSignalled)
        // A person pauses through one daemon, and resumes through the other.
        try await second.engine.endpoints.pause("image/make")
        let queued = try await first.submit()
        try await look(first)
        _ = try await first.engine.submitter.step()
        #expect(first.provider.paid.isEmpty)
        #expect(await first.service.forecast(of: try await first.task(queued)).waitingFor?.code == "paused")
        try await first.engine.endpoints.resume("image/make")
        try await look(second)
        #expect(second.engine.submitter.worker.admission.breakers.blocked(at: first.time.now()).isEmpty)
        first.provider.enqueue(.accepted("r-1"))
        _ = try await first.engine.submitter.step()
        #expect(first.provider.paid.count == 1)
    }

    @Test func `a change of a circuit breaker keeps what another daemon has changed in it`() async throws {
        let (first, second) = try await worlds()
        let endpoint = try #require(EndpointName("image/make"))
        let breakers = [first, second].map { $0.engine.submitter.worker.admission.breakers }
        let circuit = CircuitKey.submissions(endpoint, .default)
        // Neither knows of the change of the other.
        try await breakers[1].pause(circuit, .byHand, at: first.time.now())
        let failure = TaskFailure(code: "busy", message: "Later.")
        await breakers[0].failed(circuit, because: failure, at: first.time.now())
        try await look(second)
        for state in breakers.map({ $0.state(of: circuit) }) {
            #expect(state.pause != nil)
            #expect(state.failures == 1)
        }
    }

    @Test func `deadlines and retention are the work of one daemon at a time`() async throws {
        var policy = RetentionPolicy()
        policy.ended = .seconds(60)
        let (first, second) = try await worlds(retention: policy)
        let steady = Duration.seconds(120)
        first.time.advance(by: steady)
        _ = try await first.engine.deadlines.step()
        _ = try await first.engine.sweeper.step()
        let next = try await second.engine.deadlines.step()
        #expect(next == first.time.now() + Lease.term)
        #expect(try await second.engine.sweeper.step() == first.time.now() + Lease.term)
        let id = try await second.submit(deadline: first.time.now() + .seconds(10))
        first.time.advance(by: .seconds(14))
        _ = try await second.engine.deadlines.step()
        #expect(try await second.task(id).state == .queued)
        first.time.advance(by: .seconds(1))
        try await look(second)
        _ = try await second.engine.deadlines.step()
        #expect(try await second.task(id).state == .expired)
    }

    @Test func `a clock that is set on one machine changes nothing in a shared store`() async throws {
        let (first, _) = try await worlds()
        let before = first.engine.submitter.worker.admission.time.now()
        let clock = try await DatabaseClock(
            ManualTimeSource(first.time.now() + .seconds(86_400)),
            TaskStore(ClockedDriver(first.database) { before }))
        #expect(clock.now() == before)
    }

    @Test func `leases are released when a daemon stops`() async throws {
        let (first, second) = try await worlds()
        _ = try await first.engine.deadlines.step()
        #expect(try await second.engine.deadlines.step() == first.time.now() + Lease.term)
        let renewal = try #require(first.engine.renewal)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await LeaseService(loop: renewal).run() }
            group.cancelAll()
        }
        _ = try await second.engine.renewal?.step()
        first.time.advance(by: .milliseconds(1))
        #expect(try await second.sqlite.acquire([.deadlines], at: first.time.now()).held.isEmpty)
    }
}
