package import TaskModel
import VerbatimJSON

/// Who is notified of events. The log is the outbox; a destination is a place in it.
extension TaskStore {
    /// Makes the destinations those with these names: a new one begins at the end of the log, and one that is missing loses its
    /// place and its rows, unless another process serves it. Returns all.
    package func keepDestinations(_ names: Set<DestinationName>) async throws(TaskStoreError) -> [DestinationRow] {
        let known = try await destinations()
        guard Set(known.map(\.name)) != names else { return known }
        let (holder, term) = (holder, leaseTerm)
        return try await write("keepDestinations") { transaction in
            let known = try transaction.destinations()
            let now = try term.map { _ in try transaction.now() }
            let served = try transaction.leases().filter { lease in
                lease.token != holder.token && now.map { lease.isLive(at: $0) } ?? false
            }.map(\.name)
            let gone = known.map(\.name).filter { !names.contains($0) && !served.contains(LeaseName($0)) }
            if !gone.isEmpty { try transaction.drop(gone) }
            let end = try transaction.latestEvent().sequence
            let new = names.subtracting(known.map(\.name)).sorted().map { DestinationRow(name: $0, cursor: end) }
            if !new.isEmpty { try transaction.put(new) }
            return try transaction.destinations()
        }
    }

    /// Begins a generation of a destination, which this process serves from now on; nil if there is no such destination. What
    /// its former process has yet to store counts no more.
    package func beginGeneration(of name: DestinationName) async throws(TaskStoreError) -> DestinationRow? {
        try await changeDestination(name) { _ in }
    }

    /// Opens a destination that was stopped or closed, for the process that serves it.
    package func reopen(_ name: DestinationName) async throws(TaskStoreError) {
        _ = try await changeDestination(name) { row in
            (row.isStopped, row.closedAt, row.notBefore) = (false, nil, nil)
            (row.failures, row.probes) = (0, 0)
        }
    }

    private func changeDestination(
        _ name: DestinationName, _ change: @escaping @Sendable (inout DestinationRow) -> Void
    ) async throws(TaskStoreError) -> DestinationRow? {
        try await write("changeDestination") { transaction in
            guard var row = try transaction.destinations().first(where: { $0.name == name }) else { return nil }
            change(&row)
            row.generation += 1
            try transaction.put([row])
            return row
        }
    }

    package func destinations() async throws(TaskStoreError) -> [DestinationRow] {
        try await read("destinations") { try $0.destinations() }
    }

    /// The place of the last line that the log ever had.
    package func logEnd() async throws(TaskStoreError) -> Int64 {
        try await read("logEnd") { try $0.latestEvent().sequence }
    }

    /// How many events of each destination have rows.
    package func deliveryCounts() async throws(TaskStoreError) -> [DeliveryCount] {
        try await read("deliveryCounts") { try $0.deliveryCounts() }
    }

    package func deliveries(_ query: DeliveryQuery) async throws(TaskStoreError) -> [DeliveryRow] {
        try await read("deliveries", .page) { try $0.deliveries(query) }
    }

    /// The tasks that there are of these.
    package func tasks(_ ids: [TaskID]) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("tasks") { try $0.tasks(ids).map(\.task) }
    }

    /// Stores what deliveries have changed: the place in the log together with the rows that it leaves behind.
    ///
    /// Returns false, and changes nothing, if a person has changed since what is to be delivered, or the destination is gone.
    package func record(_ changes: DeliveryChanges, at now: Timestamp) async throws(TaskStoreError) -> Bool {
        try await commit(.write("recordDeliveries")) { change in
            let name = changes.destination.name
            let stored = try change.transaction.destinations().first { $0.name == name }
            guard stored?.generation == changes.destination.generation else { return false }
            try change.transaction.put([changes.destination])
            if !changes.drops.isEmpty { try change.transaction.drop(changes.drops, of: name) }
            if !changes.puts.isEmpty { try change.transaction.put(changes.puts) }
            if let skipped = changes.skipped { change.append(.skipped(skipped, for: name, at: now)) }
            return true
        }
    }

    /// Prepares events to be delivered once more, and returns how many; nil if there is no such destination. Those of
    /// ``Replay/since(_:)`` are not counted.
    ///
    /// `takes` says which events of a task the destination gets.
    package func replay(
        _ replay: Replay, to name: DestinationName,
        where takes: @escaping @Sendable (NotificationType, TrackedTask) -> Bool
    ) async throws(TaskStoreError) -> Int? {
        try await write("replay") { transaction in
            guard var row = try transaction.destinations().first(where: { $0.name == name }) else { return nil }
            var count = 0
            switch replay {
            case .dead:
                let dead = try transaction.deliveries(.dead(name, limit: Self.mostReplayed))
                try transaction.put(dead.map(\.revived))
                count = dead.count
            case .task(let id):
                guard let task = try transaction.tasks([id]).first?.task else { break }
                let events = try transaction.events(of: id, after: 0, limit: Self.mostReplayed)
                    .filter { $0.sequence <= row.cursor }
                    .compactMap { try DeliveryRow(StoredEvent($0, of: id), to: name) }
                    .filter { takes($0.type, task) }
                try transaction.drop(try transaction.deliveries(.of(id, name)).map(\.sequence), of: name)
                try transaction.put(events)
                count = events.count
            case .since(let time):
                let before = try transaction.lastEvent(before: time)
                guard before < row.cursor else { break }
                row.cursor = before
                // They are read from the log again, in their order.
                let waiting = try transaction.deliveries(.waiting(name)).map(\.sequence)
                let dead = try transaction.deliveries(.dead(name, limit: .max)).map(\.sequence)
                try transaction.drop((waiting + dead).filter { $0 > before }, of: name)
            }
            row.generation += 1
            try transaction.put([row])
            return count
        }
    }

    /// The most events of one replay of dead letters or of a task.
    package static let mostReplayed = 1_000
}

extension DeliveryRow {
    /// The event as one to be delivered; nil if there is no notification about it.
    package init?(_ event: StoredEvent, to destination: DestinationName) {
        guard let type = NotificationType(event.entry) else { return nil }
        self.init(
            destination: destination, sequence: event.sequence, task: event.task, type: type, at: event.entry.at)
    }

    /// The event about the daemon as a whole as one to be delivered; nil if there is no notification about it.
    package init?(_ event: DaemonEvent, sequence: Int64, to destination: DestinationName) {
        guard event.kind == DaemonEvent.reconciled else { return nil }
        self.init(
            destination: destination, sequence: sequence, task: nil, type: .reconcileFinished, at: event.at)
    }

    /// The same with all its tries before it.
    fileprivate var revived: DeliveryRow {
        var row = DeliveryRow(destination: destination, sequence: sequence, task: task, type: type, at: at)
        row.failure = failure
        row.triedAt = triedAt
        return row
    }
}

extension StoreSnapshot {
    /// Which of the tasks have events that a destination has yet to get.
    func undelivered(of rows: [TaskRow]) throws -> Set<Int64> {
        guard !rows.isEmpty, let first = try destinations().map(\.cursor).min() else { return [] }
        return try undelivered(of: rows.map(\.key), after: first)
    }
}

extension DaemonEvent {
    /// A destination did not take these events for too long, and its place in the log jumped past them.
    fileprivate static func skipped(
        _ skipped: DeliveryChanges.Skipped, for destination: DestinationName, at now: Timestamp
    ) -> DaemonEvent {
        DaemonEvent(
            at: now, kind: "skipped",
            detail: JSONObject([
                ("destination", .string(destination.text)), ("events", .number(JSONNumber(skipped.count))),
                ("first", .number(JSONNumber(skipped.places.lowerBound))),
                ("last", .number(JSONNumber(skipped.places.upperBound))),
            ]))
    }
}
