import Logging
import ProviderCatalog
package import TaskModel
import TaskStore
import Text

/// NotificationService shows the destinations of notifications, and has events delivered once more.
package struct NotificationService: Sendable {
    /// A destination with what it has yet to get.
    package struct Report: Sendable {
        package let destination: Destination
        package let condition: Condition
        /// Since when it is closed.
        package let closedAt: Timestamp?
        /// Nothing is sent sooner.
        package let notBefore: Timestamp?
        /// Its latest failure.
        package let failure: Failure?
        /// Events that wait after a failure.
        package let waiting: Int
        /// Events that are tried no more.
        package let dead: Int
        /// Lines of the log that it has not reached.
        package let behind: Int64

        init(_ destination: Destination, _ row: DestinationRow, waiting: Int, dead: Int, behind: Int64) {
            self.destination = destination
            condition = row.isStopped ? .stopped : row.closedAt == nil ? .open : .closed
            closedAt = row.closedAt
            notBefore = row.notBefore
            failure = row.failure.map { Failure($0, at: row.failedAt) }
            self.waiting = waiting
            self.dead = dead
            self.behind = behind
        }
    }

    /// Whether a destination is sent events.
    package enum Condition: String, Sendable {
        case open
        /// Unreachable, and probed.
        case closed
        /// It wants none until a test succeeds.
        case stopped
    }

    /// Why a delivery failed.
    package struct Failure: Sendable, Hashable {
        package let at: Timestamp?
        /// The HTTP status or exit code.
        package let status: Int?
        package let reason: String
        /// What the receiver answered or wrote, cut.
        package let answer: String?

        init(_ failure: DeliveryFailure, at: Timestamp?) {
            self.at = at
            status = failure.status
            reason = failure.reason
            answer = failure.answer
        }
    }

    /// An event that is tried no more.
    package struct DeadLetter: Sendable, Hashable {
        package let destination: DestinationName
        /// The place of the event in the log.
        package let sequence: Int64
        package let task: TaskID?
        package let type: NotificationType
        package let at: Timestamp
        package let attempts: Int
        package let failure: Failure?

        init(_ row: DeliveryRow) {
            destination = row.destination
            sequence = row.sequence
            task = row.task
            type = row.type
            at = row.at
            attempts = row.attempts
            failure = row.failure.map { Failure($0, at: row.triedAt) }
        }
    }

    /// Which events are sent once more.
    package enum Selection: Sendable, Hashable {
        /// All events of a task.
        case task(TaskID)
        /// Everything since that time.
        case since(Timestamp)
        /// What is tried no more.
        case dead

        var replay: Replay {
            switch self {
            case .task(let id): .task(id)
            case .since(let time): .since(time)
            case .dead: .dead
            }
        }
    }

    let notifier: Notifier
    private var store: TaskStore { notifier.store }

    /// Gives each new destination its place, the end of the log, before anything else happens. If the storage cannot be written
    /// now, the first claim does it.
    package func begin() async {
        do throws(TaskStoreError) { try await notifier.load() } catch {
            notifier.logger.warning("New destinations of notifications begin later: \(error.message)")
        }
    }

    /// All destinations of the settings.
    package func report() async throws(TaskServiceError) -> [Report] {
        let destinations = notifier.destinations
        // Without destinations there is nothing to read.
        guard !destinations.isEmpty else { return [] }
        do throws(TaskStoreError) {
            let rows = try await store.destinations()
            let counts = try await store.deliveryCounts()
            let end = try await store.logEnd()
            func count(_ name: DestinationName, isDead: Bool) -> Int {
                counts.first { $0.destination == name && $0.isDead == isDead }?.count ?? 0
            }
            return destinations.map { destination in
                let name = destination.name
                let row = rows.first { $0.name == name } ?? DestinationRow(name: name, cursor: end)
                return Report(
                    destination, row, waiting: count(name, isDead: false), dead: count(name, isDead: true),
                    behind: max(0, end - row.cursor))
            }
        } catch {
            throw .store(error)
        }
    }

    /// Events that are tried no more, by destination, oldest first; at most ``TaskStore/mostReplayed`` of each.
    package func dead() async throws(TaskServiceError) -> [DeadLetter] {
        do throws(TaskStoreError) {
            var rows: [DeliveryRow] = []
            for destination in notifier.destinations {
                rows += try await store.deliveries(.dead(destination.name, limit: TaskStore.mostReplayed))
            }
            return rows.map { DeadLetter($0) }
        } catch {
            throw .store(error)
        }
    }

    /// Has events delivered once more. Returns how many; nil if they are not counted.
    package func replay(_ selection: Selection, to text: String) async throws(TaskServiceError) -> Int? {
        let destination = try destination(text)
        if case .task(let id) = selection { try await check(id) }
        let count: Int?
        do throws(TaskStoreError) {
            _ = try await store.keepDestinations(Set(notifier.destinations.map(\.name)))
            count = try await store.replay(selection.replay, to: destination.name) { destination.takes($0, of: $1) }
        } catch {
            throw .store(error)
        }
        notifier.queues.drop(destination.name)
        notifier.wake.signal()
        if case .since = selection { return nil }
        return count
    }

    /// Sends a test to a destination, and returns why it failed; nil if it was taken. One that takes it is started again if it was
    /// stopped or closed.
    package func test(_ text: String) async throws(TaskServiceError) -> Failure? {
        let destination = try destination(text)
        let epoch: LogEpoch
        do throws(TaskStoreError) {
            epoch = try await store.logEpoch(orNew: notifier.random.epoch())
            try await notifier.load()
        } catch {
            throw .store(error)
        }
        let now = notifier.time.now()
        let outcome = await notifier.sender.send(.ping(epoch: epoch.name, at: now), to: destination, at: now)
        switch outcome {
        case .delivered: break
        case .failed(let failure), .rejected(let failure), .gone(let failure): return Failure(failure, at: now)
        case .notSent, .obsolete:
            return Failure(DeliveryFailure(reason: "nothing was sent, since the daemon is stopping"), at: now)
        }
        let notices = notifier.queues.with(destination.name) { $0.noteTest() }
        do throws(TaskStoreError) {
            if notices != nil {
                try await notifier.save(destination.name)
            } else if notifier.leases.isShared {
                try await store.reopen(destination.name)
            }
        } catch {
            throw .store(error)
        }
        for notice in notices ?? [] { notifier.logger.note(notice, of: destination) }
        notifier.wake.signal()
        return nil
    }

    private func destination(_ text: String) throws(TaskServiceError) -> Destination {
        let destinations = notifier.destinations
        if let destination = destinations.first(where: { $0.name.text == text }) { return destination }
        throw .unknownDestination(text, nearest: NearestName.of(text, among: destinations.map(\.name.text)))
    }

    private func check(_ id: TaskID) async throws(TaskServiceError) {
        do throws(TaskStoreError) {
            if try await store.task(id) != nil { return }
        } catch {
            throw .store(error)
        }
        throw .taskNotFound(id.text)
    }
}

/// Sends nothing; for an engine without destinations.
struct NoSender: NotificationSender {
    func send(_ notification: TaskNotification, to destination: Destination, at now: Timestamp) async
        -> DeliveryQueue.Outcome
    {
        .notSent
    }
}
