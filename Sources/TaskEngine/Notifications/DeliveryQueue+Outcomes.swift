package import TaskModel
import TaskStore
import Text

/// What the outcomes of deliveries change.
extension DeliveryQueue {
    /// Takes the outcome of a delivery, and returns the changes to log.
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
        case .obsolete:
            remove(job.row.sequence, of: job.row.task)
            return []
        case .delivered:
            remove(job.row.sequence, of: job.row.task)
            return open()
        case .rejected(let failure): return settleRefused(job, failure, at: now)
        case .gone(let failure) where isShared: return settleRefused(job, failure, at: now)
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

    private mutating func settleRefused(_ job: Job, _ failure: DeliveryFailure, at now: Timestamp) -> [Notice] {
        noteFailure(failure, at: now)
        let notice = bury(job, failure, at: now)
        return open() + [notice]
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
        let schedule = isShared ? RetrySchedule(isNear: job.row.ownURL?.authority.isLoopback ?? false) : schedule
        if let next = schedule.retry(after: job.attempt, at: now, failure.retryAfter, using: &random) {
            change(job) { row in
                row.note(failure, at: now)
                row.attempts = job.attempt
                row.nextAt = next
            }
        } else {
            notices.append(bury(job, failure, at: now))
        }
        guard !isShared else { return notices }
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
    ///
    /// A closed one is asked first: it may have come back while the daemon was off.
    package mutating func skip(at now: Timestamp) -> Int {
        guard row.isStopped || row.closedAt != nil && hasFailed, saving == nil else { return 0 }
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
        hasFailed = true
        row.failure = failure.lasting
        row.failedAt = now
        unsaved.isChanged = true
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
