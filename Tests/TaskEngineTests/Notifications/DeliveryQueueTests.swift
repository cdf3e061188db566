import Randomness
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Plays deliveries by hand: what is sent next, and what is stored.
private struct QueuePlayer {
    var queue: DeliveryQueue
    var random = SeededRandom(seed: 1)
    var now = ManualTimeSource.start
    var notices: [DeliveryQueue.Notice] = []
    /// What is on disk.
    var destination: DestinationRow
    var rows: [Int64: DeliveryRow] = [:]

    init(isNear: Bool = false, mostInFlight: Int = 16) {
        destination = DestinationRow(name: Self.name, cursor: 0)
        queue = DeliveryQueue(destination, waiting: [], isNear: isNear, mostInFlight: mostInFlight)
    }

    static let name = DestinationName("backend") ?? { preconditionFailure() }()

    static func event(_ sequence: Int64, of task: Int) -> DeliveryRow {
        DeliveryRow(
            destination: name, sequence: sequence, task: TrackedTask.task(task).id, type: .state(.succeeded),
            at: ManualTimeSource.start)
    }

    mutating func take(_ events: (Int64, Int)...) {
        queue.take(
            events.map { Self.event($0.0, of: $0.1) }, upTo: events.map(\.0).max() ?? queue.position, at: now)
    }

    mutating func start() -> [DeliveryQueue.Job] { queue.start(at: now) }
    /// The places of what is sent now.
    mutating func sent() -> [Int64] { start().map(\.row.sequence) }

    mutating func settle(_ job: DeliveryQueue.Job, _ outcome: DeliveryQueue.Outcome) {
        notices += queue.settle(job, outcome, at: now, using: &random)
    }

    /// Sends what is due, with that outcome; returns the places.
    @discardableResult
    mutating func send(_ outcome: DeliveryQueue.Outcome) -> [Int64] {
        let jobs = start()
        for job in jobs { settle(job, outcome) }
        return jobs.map(\.row.sequence)
    }

    mutating func save() {
        guard let changes = queue.takeChanges(at: now) else { return }
        destination = changes.destination
        for row in changes.puts { rows[row.sequence] = row }
        for sequence in changes.drops { rows[sequence] = nil }
        queue.saved()
    }

    /// What a start finds on disk after a crash.
    mutating func restart() {
        queue = DeliveryQueue(destination, waiting: rows.values.filter { !$0.isDead })
    }

    /// Lets time pass until something is to be done.
    mutating func wait() {
        // A place that is not stored yet is something to do too.
        save()
        now = max(now, queue.nextTime(at: now) ?? now)
    }

    var closed: Bool { queue.row.closedAt != nil }
}

private let refused = DeliveryQueue.Outcome.failed(DeliveryFailure(status: 500, reason: "it answered 500"))

@Suite struct DeliveryQueueTests {
    @Test func `events of different tasks go at once, and those of one task one after another`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 1), (4, 3))
        let jobs = player.start()
        #expect(jobs.map(\.row.sequence) == [1, 2, 4])
        #expect(player.sent() == [])
        player.settle(jobs[0], .delivered)
        #expect(player.sent() == [3])
    }

    @Test func `the place in the log stays before the first event that is not delivered`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 3))
        let jobs = player.start()
        player.settle(jobs[1], .delivered)
        player.settle(jobs[2], .delivered)
        player.save()
        #expect(player.destination.cursor == 0)
        player.settle(jobs[0], .delivered)
        player.save()
        #expect(player.destination.cursor == 3)
        #expect(player.rows.isEmpty)
    }

    @Test func `a failure is stored together with the place that passes it`() throws {
        var player = QueuePlayer()
        player.take((1, 1), (2, 1), (3, 2))
        for job in player.start() { player.settle(job, job.row.sequence == 1 ? refused : .delivered) }
        let taken = player.queue.takeChanges(at: player.now)
        let changes = try #require(taken)
        #expect(changes.destination.cursor == 3)
        // The second waits behind it.
        #expect(changes.puts.map(\.sequence) == [1, 2])
        #expect(changes.puts.map(\.attempts) == [1, 0])
        #expect(changes.puts[0].failure?.status == 500)
    }

    @Test func `what was not stored is stored with the next changes`() throws {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2))
        let jobs = player.start()
        player.settle(jobs[0], refused)
        #expect(player.queue.takeChanges(at: player.now) != nil)
        // One at a time.
        #expect(player.queue.takeChanges(at: player.now) == nil)
        player.queue.notSaved()
        player.settle(jobs[1], .delivered)
        let taken = player.queue.takeChanges(at: player.now)
        let changes = try #require(taken)
        #expect(changes.puts.map(\.sequence) == [1])
        #expect(changes.destination.cursor == 2)
    }

    @Test func `after a crash everything goes that was not stored as delivered, each task in order`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 1))
        let jobs = player.start()
        player.settle(jobs[0], refused)
        player.save()
        player.settle(jobs[1], .delivered)
        // Killed before the delivery of 2 is stored.
        player.restart()
        #expect(player.queue.position == 1)
        player.take((2, 2), (3, 1))
        #expect(player.sent() == [2])
        player.now = player.now + .seconds(10)
        #expect(player.sent() == [1])
    }

    @Test func `an event that is read again and has a row is not taken twice`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2))
        let jobs = player.start()
        player.settle(jobs[1], refused)
        player.save()
        #expect(player.destination.cursor == 0)
        player.restart()
        player.take((1, 1), (2, 2))
        player.now = player.now + .seconds(10)
        #expect(player.sent() == [1, 2])
    }

    @Test func `an event is tried ten times at growing intervals, then dead, and its successor goes`() throws {
        var player = QueuePlayer()
        player.take((1, 1), (2, 1))
        var waits: [Double] = []
        for number in 1...10 {
            // Others get through, so the event is at fault.
            player.take((Int64(10 * number), 2))
            let before = player.now
            var jobs = player.start()
            if jobs.count == 1 {
                player.settle(jobs[0], .delivered)
                player.wait()
                jobs = player.start()
            }
            if number > 1 { waits.append((player.now - before).inSeconds) }
            for job in jobs.reversed() {
                player.settle(job, job.row.task == TrackedTask.task(1).id ? refused : .delivered)
            }
        }
        let expected: [Double] = [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 86_400]
        #expect(waits.count == expected.count)
        for (wait, usual) in zip(waits, expected) { #expect(usual * 0.8 - 0.01...usual * 1.2 + 0.01 ~= wait) }
        player.save()
        let dead = try #require(player.rows[1])
        #expect(dead.isDead && dead.attempts == 10)
        guard case .dead(let row) = player.notices.last else { return #expect(Bool(false), "\(player.notices)") }
        #expect(row.sequence == 1)
        #expect(player.sent() == [2])
    }

    @Test func `receivers on this machine are tried again after a second`() {
        var player = QueuePlayer(isNear: true)
        player.take((1, 1))
        player.send(refused)
        #expect(0.8...1.2 ~= ((player.queue.nextTime(at: player.now) ?? player.now) - player.now).inSeconds)
    }

    @Test func `five failures in a row close a destination, and no event uses up its tries while it is closed`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6))
        let jobs = player.start()
        for job in jobs.prefix(4) { player.settle(job, refused) }
        #expect(!player.closed)
        player.settle(jobs[4], refused)
        #expect(player.closed)
        // It was in flight when the destination was closed.
        player.settle(jobs[5], refused)
        player.save()
        #expect(player.rows.values.map(\.attempts).sorted() == [0, 1, 1, 1, 1, 1])
        #expect(player.sent() == [])
        var probed: [Int64] = []
        for _ in 1...20 {
            player.wait()
            let jobs = player.start()
            #expect(jobs.count <= 1)
            for job in jobs {
                probed.append(job.row.sequence)
                player.settle(job, refused)
            }
        }
        player.save()
        #expect(player.rows.values.map(\.attempts).sorted() == [0, 1, 1, 1, 1, 1])
        // Each in turn.
        #expect(Set(probed.prefix(6)) == [1, 2, 3, 4, 5, 6])
    }

    @Test
    func `probes come at the same intervals, thirty minutes at most, and one that is taken opens the destination`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))
        player.send(refused)
        var waits: [Double] = []
        for _ in 1...7 {
            let before = player.now
            player.wait()
            player.send(refused)
            waits.append((player.now - before).inSeconds)
        }
        for (wait, usual) in zip(waits, [5.0, 30, 120, 600, 1_800, 1_800, 1_800]) {
            #expect(usual * 0.8 - 0.01...usual * 1.2 + 0.01 ~= wait)
        }
        player.now = player.now + .seconds(3_000)
        #expect(player.send(.delivered).count == 1)
        #expect(!player.closed)
        #expect(player.notices.last == .opened)
        #expect(player.sent().count == 4)
    }

    @Test func `one event that is never taken cannot keep a destination closed`() {
        var player = QueuePlayer()
        player.take((1, 1))
        for _ in 1...5 {
            player.wait()
            player.send(refused)
        }
        #expect(player.closed)
        player.now = player.now + .seconds(1)
        player.queue.take([QueuePlayer.event(2, of: 2)], upTo: 2, at: player.now)
        var taken: [Int64] = []
        for _ in 1...3 where player.closed {
            player.wait()
            for job in player.start() {
                player.settle(job, job.row.sequence == 1 ? refused : .delivered)
                taken.append(job.row.sequence)
            }
        }
        #expect(taken.contains(2))
        #expect(!player.closed)
    }

    @Test func `a Retry-After holds all events back, a day at most`() {
        var player = QueuePlayer()
        player.take((1, 1))
        player.send(.failed(DeliveryFailure(status: 429, reason: "", retryAfter: .seconds(90))))
        player.take((2, 2))
        player.now = player.now + .seconds(89)
        #expect(player.sent() == [])
        player.now = player.now + .seconds(19)
        #expect(player.sent() == [1, 2])
        var patient = QueuePlayer()
        patient.take((1, 1))
        patient.send(.failed(DeliveryFailure(status: 503, reason: "", retryAfter: .seconds(864_000))))
        patient.now = patient.now + .seconds(86_401)
        #expect(patient.sent() == [1])
    }

    @Test func `410 stops a destination until a test succeeds, and nothing is lost`() {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2))
        let jobs = player.start()
        player.settle(jobs[0], .gone(DeliveryFailure(status: 410, reason: "it answered 410")))
        player.settle(jobs[1], refused)
        player.save()
        #expect(player.destination.isStopped)
        #expect(player.rows.values.map(\.attempts) == [0, 0])
        player.restart()
        player.take((3, 3))
        player.now = player.now + .seconds(86_400)
        #expect(player.sent() == [])
        #expect(player.queue.noteTest() == [.opened])
        #expect(player.sent() == [1, 2, 3])
    }

    @Test func `an event that is refused for good is dead at once, and does not count against the destination`() throws
    {
        var player = QueuePlayer()
        for number in 1...6 {
            player.take((Int64(number), number))
            player.send(.rejected(DeliveryFailure(status: 65, reason: "it exited with 65")))
        }
        player.save()
        #expect(player.rows.values.allSatisfy { $0.isDead && $0.attempts == 1 })
        #expect(player.rows.count == 6)
        #expect(player.destination.cursor == 6)
        #expect(!player.closed)
    }

    @Test func `events that a closed destination has not taken for thirty days are given up`() throws {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 1))
        player.send(refused)
        player.save()
        player.now = player.now + .seconds(29 * 86_400)
        #expect(player.queue.skip(at: player.now) == 0)
        player.now = player.now + .seconds(2 * 86_400)
        #expect(player.queue.skip(at: player.now) == 6)
        let taken = player.queue.takeChanges(at: player.now)
        let changes = try #require(taken)
        #expect(changes.skipped == DeliveryChanges.Skipped(count: 6, places: 1...6))
        #expect(changes.drops == [1, 2, 3, 4, 5, 6])
        #expect(changes.destination.cursor == 6)
    }

    @Test func `a closed destination is asked after a start before anything is given up`() throws {
        var player = QueuePlayer()
        player.take((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))
        player.send(refused)
        player.save()
        #expect(player.closed)
        player.restart()
        player.now = player.now + .seconds(31 * 86_400)
        #expect(player.queue.skip(at: player.now) == 0)
        player.send(refused)
        #expect(player.queue.skip(at: player.now) == 5)
    }

    @Test func `an open destination gives up nothing, however long it takes`() {
        var player = QueuePlayer()
        player.take((1, 1))
        player.now = player.now + .seconds(90 * 86_400)
        #expect(player.queue.skip(at: player.now) == 0)
        #expect(player.sent() == [1])
    }

    @Test func `a time that a clock which was ahead has left does not keep an event back`() {
        var player = QueuePlayer()
        player.take((1, 1))
        player.send(refused)
        // The clock is set back by a year.
        player.now = player.now - .seconds(365 * 86_400)
        #expect(player.sent() == [1])
    }

    @Test func `without events for it the place in the log is stored now and then`() {
        var player = QueuePlayer()
        player.queue.take([], upTo: 10, at: player.now)
        #expect(player.queue.takeChanges(at: player.now) == nil)
        #expect(player.queue.nextTime(at: player.now) == player.now + .seconds(60))
        player.now = player.now + .seconds(60)
        #expect(player.queue.takeChanges(at: player.now)?.destination.cursor == 10)
        player.queue.saved()
        player.queue.take([], upTo: 1_010, at: player.now)
        #expect(player.queue.takeChanges(at: player.now)?.destination.cursor == 1_010)
    }

    @Test func `an outcome of a delivery that another queue has begun changes nothing`() {
        var player = QueuePlayer()
        player.take((1, 1))
        let old = player.start()[0]
        player.restart()
        player.take((1, 1))
        player.settle(old, .delivered)
        #expect(player.sent() == [1])
    }

    @Test func `no more is read while many events wait`() {
        var player = QueuePlayer()
        player.queue.take((1...256).map { QueuePlayer.event($0, of: Int($0)) }, upTo: 256, at: player.now)
        #expect(!player.queue.wantsEvents)
        let jobs = player.start()
        #expect(jobs.count == 16)
        player.settle(jobs[0], .delivered)
        #expect(player.queue.wantsEvents)
    }

    @Test(arguments: 1...20)
    func `whatever happens, each event is delivered or dead, and those of a task in order`(seed: UInt64) throws {
        var chance = SeededRandom(seed: seed)
        var player = QueuePlayer(mostInFlight: 4)
        let events = (1...60).map { (Int64($0), Int.random(in: 1...7, using: &chance)) }
        var read = 0
        var flying: [DeliveryQueue.Job] = []
        var (taken, known): ([Int64], Set<Int64>) = ([], [])
        for step in 1...3_000 {
            let isHealed = step > 1_500
            switch Int.random(in: 0...9, using: &chance) {
            case 0...1 where player.queue.wantsEvents && read < events.count:
                read = events.firstIndex { $0.0 > player.queue.position } ?? events.count
                if read < events.count {
                    player.queue.take(
                        [QueuePlayer.event(events[read].0, of: events[read].1)], upTo: events[read].0, at: player.now)
                }
                read += 1
            case 2...3: flying += player.start()
            case 4...6 where !flying.isEmpty:
                let job = flying.remove(at: Int.random(in: flying.indices, using: &chance))
                let isTaken = isHealed || Int.random(in: 0...2, using: &chance) == 0
                if isTaken, known.insert(job.row.sequence).inserted { taken.append(job.row.sequence) }
                player.settle(job, isTaken ? .delivered : refused)
            case 7: player.save()
            case 8 where !isHealed && Int.random(in: 0...19, using: &chance) == 0:
                player.restart()
                flying = []
                read = events.firstIndex { $0.0 > player.queue.position } ?? events.count
            default: player.wait()
            }
            read = min(read, events.count)
            // Nothing that is on disk as passed is undelivered.
            let (cursor, rows) = (player.destination.cursor, player.rows)
            let lost = events.first { $0.0 <= cursor && !known.contains($0.0) && rows[$0.0] == nil }
            if let lost {
                Issue.record("\(lost) is neither taken nor stored")
                return
            }
        }
        let dead = Set(player.rows.values.filter(\.isDead).map(\.sequence))
        for (sequence, task) in events {
            #expect(taken.contains(sequence) || dead.contains(sequence))
            guard let first = taken.firstIndex(of: sequence) else { continue }
            for (earlier, other) in events where other == task && earlier < sequence && !dead.contains(earlier) {
                #expect(taken.firstIndex(of: earlier) ?? .max < first, "\(earlier) before \(sequence)")
            }
        }
    }
}
