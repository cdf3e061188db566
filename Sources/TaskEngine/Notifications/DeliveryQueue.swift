package import TaskModel
package import TaskStore

/// DeliveryQueue decides what goes to one destination next, and what each outcome changes.
///
/// It is a value without clock, chance or I/O. Events of a task go in their order: the next one waits until the earlier one is
/// delivered or dead. Tasks do not wait for each other. The place in the log never passes an event that is neither delivered
/// nor stored as a failure.
package struct DeliveryQueue: Sendable {
    /// An event that is not delivered yet.
    struct Entry: Sendable {
        var row: DeliveryRow
        /// Whether it has a row, or gets one with the next commit. Else the place in the log stays before it.
        var isStored: Bool
        var isInFlight = false
    }

    /// One delivery to make.
    package struct Job: Sendable, Hashable {
        package let row: DeliveryRow
        /// The number of this try, from 1 on; a probe repeats the number.
        package var attempt: Int { row.attempts + 1 }
        /// Tells apart two deliveries of one event.
        let number: Int
    }

    /// What became of a delivery.
    package enum Outcome: Sendable, Hashable {
        case delivered
        case failed(DeliveryFailure)
        /// The receiver wants this event never again.
        case rejected(DeliveryFailure)
        /// The receiver wants nothing more.
        case gone(DeliveryFailure)
        /// Nothing was sent, through no fault of the receiver.
        case notSent
    }

    /// A change that people should hear of.
    package enum Notice: Sendable, Hashable {
        case closed(DeliveryFailure)
        case opened
        case stopped(DeliveryFailure)
        case dead(DeliveryRow)
    }

    /// The most events that were read and have no row. So many may be delivered twice after a crash.
    static let mostFresh = 256
    /// With more rows than this nothing more is read.
    static let mostStored = 4_096
    /// The place in the log is stored at least so often while no event is for the destination.
    private static let longestLag = (events: Int64(1_000), time: Duration.seconds(60))

    /// As stored, but for ``DestinationRow/cursor``.
    package private(set) var row: DestinationRow
    /// The log was read up to here.
    package private(set) var position: Int64
    private let schedule: RetrySchedule
    private let mostInFlight: Int
    private let mostPerTask: Int
    /// The events of each task in their order. Either all of them are stored or none.
    private var entries: [TaskID: [Entry]] = [:]
    private var inFlight: [Int64: Int] = [:]
    private var fresh: Set<Int64> = []
    private var storedCount = 0
    private var jobs = 0
    /// The delivery that asks whether a closed destination is there again.
    private var probe: Int?
    private var unsaved = Unsaved()
    /// Changes that are being stored.
    private var saving: Unsaved?
    /// Since when the stored place lags behind.
    private var laggingSince: Timestamp?

    private struct Unsaved {
        var puts: [Int64: DeliveryRow] = [:]
        var drops: Set<Int64> = []
        var skipped: DeliveryChanges.Skipped?
        /// Whether the destination itself has changed.
        var isChanged = false
    }

    /// A queue as it is stored.
    package init(
        _ row: DestinationRow, waiting: [DeliveryRow], isNear: Bool = false, mostInFlight: Int = 16,
        mostPerTask: Int = 1
    ) {
        self.row = row
        position = row.cursor
        schedule = RetrySchedule(isNear: isNear)
        self.mostInFlight = mostInFlight
        self.mostPerTask = mostPerTask
        for delivery in waiting.sorted(by: { $0.sequence < $1.sequence }) {
            entries[delivery.task, default: []].append(Entry(row: delivery, isStored: true))
        }
        storedCount = waiting.count
    }

    package var name: DestinationName { row.name }

    /// Every event up to here is delivered, stored, or not for the destination.
    package var cursor: Int64 { fresh.min().map { $0 - 1 } ?? position }

    // MARK: In

    /// Whether more of the log is to be read.
    package var wantsEvents: Bool { fresh.count < Self.mostFresh && storedCount < Self.mostStored }

    /// Takes the events for the destination from a page of the log that ends at `place`.
    package mutating func take(_ events: [DeliveryRow], upTo place: Int64, at now: Timestamp) {
        for event in events where event.sequence > position {
            var list = entries[event.task] ?? []
            guard !list.contains(where: { $0.row.sequence == event.sequence }) else { continue }
            let isStored = list.first?.isStored ?? false
            let index = list.firstIndex { $0.row.sequence > event.sequence } ?? list.endIndex
            list.insert(Entry(row: event, isStored: isStored), at: index)
            entries[event.task] = list
            if isStored {
                storedCount += 1
                put(event)
            } else {
                fresh.insert(event.sequence)
            }
        }
        position = max(position, place)
        if position > row.cursor, laggingSince == nil { laggingSince = now }
    }

    // MARK: Out

    /// What is to be sent now.
    package mutating func start(at now: Timestamp) -> [Job] {
        guard !row.isStopped, row.notBefore?.isOver(at: now) ?? true else { return [] }
        let room = row.closedAt == nil ? mostInFlight - inFlight.count : inFlight.isEmpty ? 1 : 0
        guard room > 0 else { return [] }
        let ready = candidates.filter { isReady($0, at: now) }
        let chosen: [Entry]
        if row.closedAt == nil {
            chosen = ready.sorted { $0.row.sequence < $1.row.sequence }
        } else {
            // The one that was not tried for the longest time, so that no event can keep the destination closed.
            chosen = ready.sorted { ($0.lastTried, $0.row.sequence) < ($1.lastTried, $1.row.sequence) }
        }
        return chosen.prefix(room).map { begin($0) }
    }

    /// The events whose turn it is within their tasks.
    private var candidates: [Entry] {
        entries.values.flatMap { list -> [Entry] in
            let room = mostPerTask - list.count(where: \.isInFlight)
            return room > 0 ? list.prefix(mostPerTask).filter { !$0.isInFlight } : []
        }
    }

    private func isReady(_ entry: Entry, at now: Timestamp) -> Bool {
        // A probe asks whether the destination is there; its times are the destination's.
        return row.closedAt != nil || entry.row.nextAt?.isOver(at: now) ?? true
    }

    private mutating func begin(_ entry: Entry) -> Job {
        jobs += 1
        if let index = index(of: entry.row) { entries[entry.row.task]?[index].isInFlight = true }
        inFlight[entry.row.sequence] = jobs
        if row.closedAt != nil { probe = jobs }
        return Job(row: entry.row, number: jobs)
    }

    /// When something is to be done without an outcome or a new event; nil if nothing is.
    package func nextTime(at now: Timestamp) -> Timestamp? {
        var times: [Timestamp] = laggingSince.map { [$0 + Self.longestLag.time] } ?? []
        if row.isStopped || row.closedAt != nil { times.append(now + .seconds(3_600)) }
        if !row.isStopped {
            let isFull = row.closedAt == nil ? inFlight.count >= mostInFlight : !inFlight.isEmpty
            if !isFull {
                let due = candidates.map { head in
                    let own = row.closedAt == nil ? head.row.nextAt : nil
                    return [own, row.notBefore].compactMap { $0.flatMap { $0.isOver(at: now) ? nil : $0 } }.max() ?? now
                }
                if let first = due.min() { times.append(first) }
            }
        }
        return times.min()
    }

    // MARK: Outcomes

    /// Takes the outcome of a delivery, and returns what people should hear.
    package mutating func settle(
        _ job: Job, _ outcome: Outcome, at now: Timestamp, using random: inout some RandomNumberGenerator
    ) -> [Notice] {
        guard inFlight[job.row.sequence] == job.number,
            let index = index(of: job.row)
        else { return [] }
        inFlight[job.row.sequence] = nil
        entries[job.row.task]?[index].isInFlight = false
        switch outcome {
        case .notSent:
            // Not at once, since what keeps it from being sent lasts for a moment.
            change(job) { $0.nextAt = now + .seconds(1) }
            return []
        case .delivered:
            remove(job.row.sequence, of: job.row.task)
            return open()
        case .rejected(let failure):
            noteFailure(failure, at: now)
            let notice = bury(job, failure, at: now)
            return open() + [notice]
        case .gone(let failure):
            noteFailure(failure, at: now)
            store(job.row.task)
            change(job) { $0.note(failure, at: now) }
            guard !row.isStopped else { return [] }
            row.isStopped = true
            return [.stopped(failure)]
        case .failed(let failure):
            noteFailure(failure, at: now)
            if row.closedAt != nil || row.isStopped { return failProbe(job, failure, at: now, using: &random) }
            return fail(job, failure, at: now, using: &random)
        }
    }

    private mutating func failProbe(
        _ job: Job, _ failure: DeliveryFailure, at now: Timestamp, using random: inout some RandomNumberGenerator
    ) -> [Notice] {
        // It uses up no try: nothing shows that the event is at fault.
        store(job.row.task)
        change(job) { $0.note(failure, at: now) }
        // Others were in flight when it was closed.
        guard job.number == probe else { return [] }
        row.probes += 1
        row.notBefore = schedule.probe(after: row.probes, at: now, failure.retryAfter, using: &random)
        return []
    }

    private mutating func fail(
        _ job: Job, _ failure: DeliveryFailure, at now: Timestamp, using random: inout some RandomNumberGenerator
    ) -> [Notice] {
        var notices: [Notice] = []
        store(job.row.task)
        if let next = schedule.retry(after: job.attempt, at: now, failure.retryAfter, using: &random) {
            change(job) { row in
                row.note(failure, at: now)
                row.attempts = job.attempt
                row.nextAt = next
            }
        } else {
            notices.append(bury(job, failure, at: now))
        }
        row.failures += 1
        if failure.retryAfter != nil { row.notBefore = now + RetrySchedule.bounded(failure.retryAfter) }
        guard row.failures >= RetrySchedule.failuresUntilClosed else { return notices }
        row.closedAt = now
        row.probes = 0
        row.notBefore = schedule.probe(after: 0, at: now, failure.retryAfter, using: &random)
        return notices + [.closed(failure)]
    }

    /// The destination takes events, as a delivery or a test has shown.
    private mutating func open() -> [Notice] {
        guard row.failures > 0 || row.closedAt != nil || row.notBefore != nil else { return [] }
        let wasClosed = row.closedAt != nil
        row.failures = 0
        row.closedAt = nil
        row.probes = 0
        row.notBefore = nil
        unsaved.isChanged = true
        return wasClosed ? [.opened] : []
    }

    /// A test was answered: what was stopped or closed goes on.
    package mutating func noteTest() -> [Notice] {
        guard row.isStopped else { return open() }
        row.isStopped = false
        unsaved.isChanged = true
        _ = open()
        return [.opened]
    }

    /// Gives up events that a closed or stopped destination has not taken for ``RetrySchedule/longestWait``; returns how many.
    package mutating func skip(at now: Timestamp) -> Int {
        guard row.isStopped || row.closedAt != nil, saving == nil else { return 0 }
        let limit = now - RetrySchedule.longestWait
        let old = entries.values.flatMap { $0 }.filter { $0.row.at <= limit && !$0.isInFlight }.map(\.row)
        guard let first = old.map(\.sequence).min(), let last = old.map(\.sequence).max() else { return 0 }
        for delivery in old { remove(delivery.sequence, of: delivery.task) }
        let former = unsaved.skipped
        unsaved.skipped = DeliveryChanges.Skipped(
            count: old.count + (former?.count ?? 0),
            places: min(first, former?.places.lowerBound ?? first)...max(last, former?.places.upperBound ?? last))
        return old.count
    }

    private mutating func noteFailure(_ failure: DeliveryFailure, at now: Timestamp) {
        row.failure = failure.lasting
        row.failedAt = now
        unsaved.isChanged = true
    }

    // MARK: Entries

    private func index(of delivery: DeliveryRow) -> Int? {
        entries[delivery.task]?.firstIndex { $0.row.sequence == delivery.sequence }
    }

    private mutating func change(_ job: Job, _ body: (inout DeliveryRow) -> Void) {
        guard let index = index(of: job.row), var entry = entries[job.row.task]?[index]
        else { return }
        body(&entry.row)
        entries[job.row.task]?[index] = entry
        if entry.isStored { put(entry.row) }
    }

    /// Gives a row to every event of a task: one failed, and the others wait behind it.
    private mutating func store(_ task: TaskID) {
        guard var list = entries[task] else { return }
        for index in list.indices where !list[index].isStored {
            list[index].isStored = true
            fresh.remove(list[index].row.sequence)
            storedCount += 1
            put(list[index].row)
        }
        entries[task] = list
    }

    private mutating func bury(_ job: Job, _ failure: DeliveryFailure, at now: Timestamp) -> Notice {
        remove(job.row.sequence, of: job.row.task)
        var dead = job.row
        dead.note(failure, at: now)
        dead.attempts = job.attempt
        dead.nextAt = nil
        dead.isDead = true
        put(dead)
        return .dead(dead)
    }

    private mutating func remove(_ sequence: Int64, of task: TaskID) {
        guard var list = entries[task], let index = list.firstIndex(where: { $0.row.sequence == sequence }) else {
            return
        }
        if list.remove(at: index).isStored {
            storedCount -= 1
            unsaved.puts[sequence] = nil
            unsaved.drops.insert(sequence)
        }
        fresh.remove(sequence)
        entries[task] = list.isEmpty ? nil : list
        unsaved.isChanged = true
    }

    private mutating func put(_ delivery: DeliveryRow) {
        unsaved.puts[delivery.sequence] = delivery
        unsaved.drops.remove(delivery.sequence)
    }

    // MARK: Storing

    /// Takes what is to be stored; nil if there is nothing, or if something is being stored. To be followed by ``saved()`` or
    /// ``notSaved()``.
    package mutating func takeChanges(at now: Timestamp) -> DeliveryChanges? {
        guard saving == nil else { return nil }
        let lag = cursor - row.cursor
        let isLate = lag >= Self.longestLag.events || laggingSince.map { now - $0 >= Self.longestLag.time } ?? false
        guard unsaved.isChanged || !unsaved.puts.isEmpty || !unsaved.drops.isEmpty || isLate && lag > 0 else {
            if lag == 0 { laggingSince = nil }
            return nil
        }
        row.cursor = max(row.cursor, cursor)
        laggingSince = nil
        let changes = DeliveryChanges(
            destination: row, puts: unsaved.puts.values.sorted { $0.sequence < $1.sequence },
            drops: unsaved.drops.sorted(), skipped: unsaved.skipped)
        saving = unsaved
        unsaved = Unsaved()
        return changes
    }

    /// The changes that were taken are on disk.
    package mutating func saved() { saving = nil }

    /// The changes that were taken are not known to be on disk. They are stored with the next ones.
    package mutating func notSaved() {
        guard let saving else { return }
        unsaved.puts.merge(saving.puts.filter { !unsaved.drops.contains($0.key) }) { later, _ in later }
        unsaved.drops.formUnion(saving.drops.filter { unsaved.puts[$0] == nil })
        unsaved.skipped = unsaved.skipped ?? saving.skipped
        unsaved.isChanged = true
        self.saving = nil
    }
}

extension DeliveryQueue.Entry {
    /// A new event counts as tried when it happened.
    fileprivate var lastTried: Timestamp { row.triedAt ?? row.at }
}

extension DeliveryRow {
    fileprivate mutating func note(_ failure: DeliveryFailure, at now: Timestamp) {
        self.failure = failure.lasting
        triedAt = now
    }
}

extension DeliveryFailure {
    /// What is kept of it.
    fileprivate var lasting: DeliveryFailure {
        var failure = self
        failure.retryAfter = nil
        return failure
    }
}
