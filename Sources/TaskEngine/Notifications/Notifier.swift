import Logging
import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Notifier sends events of the log to the destinations of the settings.
///
/// ``DeliveryQueue`` decides; this reads, sends and stores. It reads the log from the place of each destination, so a commit
/// has nothing more to write.
package struct Notifier: Worker {
    /// One delivery to make.
    package struct Work: Sendable {
        let destination: Destination
        let job: DeliveryQueue.Job
        let epoch: String
        /// The place of the event in the log.
        package var sequence: Int64 { job.row.sequence }
    }

    let store: TaskStore
    @Current var destinations: [Destination]
    let sender: any NotificationSender
    let limits: EngineLimits
    let hold: StartHold
    let leases: LeaseKeeper
    let callbacks: CallbackBodies
    let queues: DeliveryQueues
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger
    let passed: @Sendable (CrashPoint) -> Void

    /// Lines per page of the log.
    private static let pageSize = 256
    /// Pages that one claim reads for a destination.
    private static let mostPages = 8

    package var wake: WakeSignal { wakes.notifications }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        // A person has yet to say whether the copy takes the place of the original.
        guard hold.mode == nil else {
            queues.dropAll()
            return now + .seconds(60)
        }
        let destinations = destinations
        var next = now + .seconds(3_600)
        var served: [Destination] = []
        for destination in destinations {
            if let wait = try await leases.acquire(LeaseName(destination.name), at: now) {
                next = min(next, wait.until)
            } else {
                served.append(destination)
            }
        }
        if leases.isShared { try await dropChanged() }
        try await load(served, of: destinations)
        guard !served.isEmpty else { return next }
        let epoch = try await store.logEpoch(orNew: random.epoch()).name
        for destination in served {
            try await save(destination.name)
            let isBehind = try await read(for: destination, at: now)
            let skipped = queues.with(destination.name) { $0.skip(at: now) } ?? 0
            if skipped > 0 { logger.noteSkipped(skipped, for: destination) }
            try await save(destination.name)
            let (jobs, time) = queues.with(destination.name) { ($0.start(at: now), $0.nextTime(at: now)) } ?? ([], now)
            work += jobs.map { Work(destination: destination, job: $0, epoch: epoch) }
            if let time { next = min(next, time) }
            if isBehind || skipped > 0 { next = now }
        }
        return next
    }

    package func perform(_ work: Work) async {
        let outcome = await deliver(work)
        let now = time.now()
        let notices = random.draw { random in
            queues.with(work.destination.name) { $0.settle(work.job, outcome, at: now, using: &random) }
        }
        passed(.afterDelivery)
        do throws(TaskStoreError) { try await save(work.destination.name) } catch {
            // The next claim stores it, once the storage is there again.
            logger.debug("A delivery to \(work.destination.name) is stored later: \(error.message)")
        }
        // After the commit, so that the status shows what the log says.
        for notice in notices ?? [] { logger.note(notice, of: work.destination) }
    }

    private func deliver(_ work: Work) async -> DeliveryQueue.Outcome {
        let row = work.job.row
        guard let id = row.task else { return await deliverDaemonEvent(work) }
        let task: TaskWithPayload?
        do throws(TaskStoreError) { task = try await store.taskWithPayload(id) } catch { return .notSent }
        guard let task, !task.task.isStub else { return .obsolete }
        var body: JSONValue?
        if case .callbacks = work.destination.target {
            do throws(TaskStoreError) { body = try await callbacks.body(about: task) } catch { return .notSent }
        }
        passed(.beforeDelivery)
        let notification = TaskNotification(
            id: "\(work.epoch)-\(row.sequence)", type: row.type.text, at: row.at, task: task, body: body)
        return await sender.send(notification, to: work.destination, at: time.now())
    }

    /// Delivers an event that belongs to no task, as the log has it.
    private func deliverDaemonEvent(_ work: Work) async -> DeliveryQueue.Outcome {
        let row = work.job.row
        let line: LoggedEvent?
        do throws(TaskStoreError) {
            line = try await store.log.read(after: row.sequence - 1, limit: 1).last
        } catch {
            return .notSent
        }
        guard case .daemon(let event, sequence: row.sequence)? = line else { return .obsolete }
        passed(.beforeDelivery)
        let notification = TaskNotification(
            id: "\(work.epoch)-\(row.sequence)", type: row.type.text, at: row.at, task: nil, detail: event.detail)
        return await sender.send(notification, to: work.destination, at: time.now())
    }

    // MARK: Queues

    /// Makes the destinations those of the settings, and reads the queues of those that no other process can serve.
    func load() async throws(TaskStoreError) {
        let destinations = destinations
        try await load(leases.isShared ? [] : destinations, of: destinations)
    }

    /// Makes the queues those of the destinations that this process serves, and reads missing ones from the database.
    private func load(_ served: [Destination], of destinations: [Destination]) async throws(TaskStoreError) {
        let names = Set(served.map(\.name))
        let known = queues.names
        // Without settings the first claim looks for former destinations, and later ones for nothing.
        guard known != names || names.isEmpty else { return }
        for name in known.subtracting(names) { queues.drop(name) }
        let drops = queues.drops
        let rows = try await store.keepDestinations(Set(destinations.map(\.name)))
        for row in rows where !known.contains(row.name) {
            guard let destination = served.first(where: { $0.name == row.name }) else { continue }
            let row = leases.isShared ? try await store.beginGeneration(of: row.name) ?? row : row
            queues.put(
                DeliveryQueue(
                    row, waiting: try await store.deliveries(.waiting(row.name)), isNear: destination.isNear,
                    mostInFlight: destination.mostInFlight, mostPerTask: limits.deliveriesPerTask,
                    isShared: destination.isShared),
                readAfter: drops)
        }
    }

    /// Drops queues that another process has changed in the database, as when a person asks it for a replay.
    private func dropChanged() async throws(TaskStoreError) {
        for row in try await store.destinations() {
            let generation = queues.with(row.name) { $0.row.generation }
            if let generation, generation != row.generation { queues.drop(row.name) }
        }
    }

    /// Reads the log for a destination; returns whether there is more to read.
    private func read(for destination: Destination, at now: Timestamp) async throws(TaskStoreError) -> Bool {
        for _ in 1...Self.mostPages {
            let name = destination.name
            guard let place = queues.with(name, { $0.wantsEvents ? $0.position : nil }) ?? nil else { return false }
            let page = try await store.log.read(after: place, limit: Self.pageSize)
            guard let last = page.last?.sequence else { return false }
            let events = try await page.deliveries(to: destination, in: store)
            _ = queues.with(name) { queue in
                // A person may have moved the queue to another place meanwhile.
                if queue.position == place { queue.take(events, upTo: last, at: now) }
            }
            if page.count < Self.pageSize { return false }
        }
        return true
    }

    /// Stores what has changed for a destination, unless another caller does; that one stores it too.
    func save(_ name: DestinationName) async throws(TaskStoreError) {
        while let changes = queues.with(name, { $0.takeChanges(at: time.now()) }) ?? nil {
            do throws(TaskStoreError) {
                if try await store.record(changes, at: time.now()) {
                    _ = queues.with(name) { $0.saved() }
                } else {
                    // A person has changed what is to be delivered.
                    queues.drop(name)
                    wake.signal()
                }
            } catch {
                _ = queues.with(name) { $0.notSaved() }
                throw error
            }
        }
    }
}

extension [LoggedEvent] {
    /// The events that the destination gets.
    fileprivate func deliveries(
        to destination: Destination, in store: TaskStore
    ) async throws(TaskStoreError) -> [DeliveryRow] {
        let rows = compactMap { event -> DeliveryRow? in
            switch event {
            case .task(let event): DeliveryRow(event, to: destination.name)
            case .daemon(let event, let sequence): DeliveryRow(event, sequence: sequence, to: destination.name)
            case .pruned: nil
            }
        }.filter { destination.types.contains($0.type) }
        guard !rows.isEmpty else { return [] }
        let tasks = try await store.tasks(Array<TaskID>(Set(rows.compactMap(\.task))))
        let byID = Dictionary(tasks.map { ($0.id, $0) }) { first, _ in first }
        return rows.compactMap { row -> DeliveryRow? in
            guard let id = row.task else { return destination.takesDaemonEvents(row.type) ? row : nil }
            guard let task = byID[id], destination.takes(row.type, of: task) else { return nil }
            var row = row
            row.notify = task.notify
            return row
        }
    }
}

extension Logger {
    /// Logs a change of a destination.
    func note(_ notice: DeliveryQueue.Notice, of destination: Destination) {
        let name = destination.name
        switch notice {
        case .closed(let failure):
            warning(
                "Notifications to \(name) (\(destination.shownTarget)) fail: \(failure.reason). Nothing is lost. It is tried now and then until one is taken."
            )
        case .opened: self.notice("Notifications to \(name) are taken again.")
        case .stopped(let failure):
            warning(
                "\(name) (\(destination.shownTarget)) wants no more notifications: \(failure.reason). They wait. `pollux notifications test \(name)` starts it again once it takes one."
            )
        case .dead(let row):
            warning(
                "\(name) did not take \(row.type.text)\(row.task.map { " of task \($0)" } ?? "") in \(row.attempts) tries. `pollux notifications list --dead` shows it, `pollux notifications replay \(name) --dead` sends it again."
            )
        }
    }

    func noteSkipped(_ count: Int, for destination: Destination) {
        warning(
            "\(destination.name) has taken nothing for 30 days. \(count) older event(s) are not sent to it any more.")
    }
}
