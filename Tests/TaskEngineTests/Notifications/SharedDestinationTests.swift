import Randomness
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Tests the queue of all addresses that tasks bring: one receiver does not keep the others from theirs.
@Suite struct SharedDestinationTests {
    private let now = ManualTimeSource.start
    private let refused = DeliveryQueue.Outcome.failed(DeliveryFailure(status: 500, reason: "it answered 500"))

    private var queue: DeliveryQueue {
        DeliveryQueue(
            DestinationRow(name: .taskURLs, cursor: 0), waiting: [], mostInFlight: 32, isShared: true)
    }

    /// The events of as many tasks, each at the host of that name.
    private func events(_ sequences: ClosedRange<Int64>, at host: String) -> [DeliveryRow] {
        sequences.map { sequence in
            var row = DeliveryRow(
                destination: .taskURLs, sequence: sequence, task: TrackedTask.task(Int(sequence)).id,
                type: .state(.succeeded), at: now)
            row.notify = "https://\(host)/hook"
            return row
        }
    }

    @Test func `each receiver has four deliveries at once`() {
        var queue = queue
        queue.take(events(1...10, at: "slow.example"), upTo: 10, at: now)
        let first = queue.start(at: now)
        #expect(first.map(\.row.sequence) == [1, 2, 3, 4])
        // Nothing is to be done until one of them ends.
        #expect(queue.nextTime(at: now).map { $0 > now } ?? true)
        queue.take(events(11...12, at: "other.example"), upTo: 12, at: now)
        #expect(queue.start(at: now).map(\.row.sequence) == [11, 12])
        var random = SeededRandom(seed: 1)
        _ = queue.settle(first[0], .delivered, at: now, using: &random)
        #expect(queue.start(at: now).map(\.row.sequence) == [5])
    }

    @Test func `failures of one receiver close nothing and hold back no other`() {
        var queue = queue
        var random = SeededRandom(seed: 1)
        queue.take(events(1...8, at: "dead.example"), upTo: 8, at: now)
        for _ in 1...2 {
            for job in queue.start(at: now) {
                let later = DeliveryQueue.Outcome.failed(
                    DeliveryFailure(status: 429, reason: "it answered 429", retryAfter: .seconds(600)))
                #expect(queue.settle(job, later, at: now, using: &random) == [])
            }
        }
        #expect(queue.row.closedAt == nil && queue.row.notBefore == nil)
        queue.take(events(9...9, at: "good.example"), upTo: 9, at: now)
        #expect(queue.start(at: now).map(\.row.sequence) == [9])
        // Retry-After holds back its own event.
        #expect(queue.start(at: now + .seconds(599)).isEmpty)
        #expect(!queue.start(at: now + .seconds(601)).isEmpty)
    }

    @Test func `410 and a refusal bury the event and stop nothing`() throws {
        var queue = queue
        var random = SeededRandom(seed: 1)
        queue.take(events(1...2, at: "gone.example"), upTo: 2, at: now)
        let jobs = queue.start(at: now)
        let failure = DeliveryFailure(status: 410, reason: "it answered 410")
        let notices = queue.settle(jobs[0], .gone(failure), at: now, using: &random)
        guard case .dead(let dead) = try #require(notices.first) else { return #expect(Bool(false), "\(notices)") }
        #expect(dead.sequence == 1)
        #expect(!queue.row.isStopped)
        _ = queue.settle(jobs[1], .rejected(failure), at: now, using: &random)
        let taken = queue.takeChanges(at: now)
        let changes = try #require(taken)
        #expect(changes.puts.map(\.isDead) == [true, true])
        #expect(changes.destination.cursor == 2)
    }

    @Test func `many events of one receiver get rows, so that the log is read on`() throws {
        var queue = queue
        queue.take(events(1...300, at: "slow.example"), upTo: 300, at: now)
        #expect(queue.wantsEvents)
        let taken = queue.takeChanges(at: now)
        let changes = try #require(taken)
        #expect(changes.puts.map(\.sequence) == Array(17...300))
        #expect(changes.destination.cursor == 0)
        queue.saved()
        // Their order stays.
        #expect(queue.start(at: now).map(\.row.sequence) == [1, 2, 3, 4])
    }

    @Test func `a receiver on this machine is tried again after a second`() throws {
        var queue = queue
        var random = SeededRandom(seed: 1)
        var local = events(1...1, at: "127.0.0.1:9000")
        local[0].notify = "http://127.0.0.1:9000/hook"
        queue.take(local + events(2...2, at: "far.example"), upTo: 2, at: now)
        for job in queue.start(at: now) { _ = queue.settle(job, refused, at: now, using: &random) }
        #expect(queue.start(at: now + .milliseconds(1_300)).map(\.row.sequence) == [1])
    }

    @Test func `an event without a task is dropped, and opens nothing`() throws {
        var queue = DeliveryQueue(DestinationRow(name: .taskURLs, cursor: 0), waiting: [])
        var random = SeededRandom(seed: 1)
        queue.take(events(1...6, at: "x.example"), upTo: 6, at: now)
        let jobs = queue.start(at: now)
        for job in jobs.dropLast() { _ = queue.settle(job, refused, at: now, using: &random) }
        #expect(queue.row.closedAt != nil)
        #expect(queue.settle(jobs[5], .obsolete, at: now, using: &random) == [])
        #expect(queue.row.closedAt != nil)
        let taken = queue.takeChanges(at: now)
        let changes = try #require(taken)
        #expect(changes.destination.cursor == 6)
        #expect(changes.puts.map(\.sequence) == [1, 2, 3, 4, 5])
    }

    @Test(
        arguments: [
            (.https, "https://example.org/hook", true), (.https, "HTTPS://Example.org:8443/@me?x=1", true),
            (.https, "https://1.1.1.1/", true), (.https, "https://[2606:4700::1111]/", true),
            (.https, "http://example.org/hook", false), (.https, "https://user@example.org/", false),
            (.https, "https://example.org/#x", false), (.https, "https://127.0.0.1/", false),
            (.https, "https://localhost:9/", false), (.https, "https://10.1.2.3/", false),
            (.https, "https://169.254.169.254/latest", false), (.https, "https://[::ffff:10.0.0.1]/", false),
            (.https, "https://[64:ff9b::7f00:1]/", false), (.https, "https://[fd00::1]/", false),
            (.https, "https://0x7f.1/", false), (.https, "https://2130706433/", false),
            (.https, "ftp://example.org/", false),
            (.https, "https://exa mple.org/", false), (.https, "https:\\\\example.org/://", false),
            (.loopback, "http://127.0.0.1:8080/hook", true), (.loopback, "http://localhost/", true),
            (.loopback, "http://[::1]:1/", true), (.loopback, "https://example.org/", true),
            (.loopback, "http://example.org/", false), (.loopback, "http://10.0.0.1/", false),
            (.loopback, "http://192.168.0.1/", false), (.loopback, "http://127.1/", false),
            (.off, "https://example.org/hook", false),
        ] as [(TaskURLPolicy, String, Bool)])
    func `the settings say which addresses tasks may bring`(policy: TaskURLPolicy, url: String, isAllowed: Bool) {
        #expect((policy.refusal(of: url) == nil) == isAllowed, "\(policy.refusal(of: url) ?? "allowed")")
    }
}
