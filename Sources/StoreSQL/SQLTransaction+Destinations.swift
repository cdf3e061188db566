package import TaskModel
package import TaskStore

/// Destinations of notifications, and deliveries that failed.
extension SQLTransaction {
    package func destinations() throws -> [DestinationRow] {
        try DestinationRow.fetchAll(
            connection,
            """
            SELECT name, cursor, generation, failures, closed_at_ms, probes, not_before_ms, is_stopped, failed_at_ms,
              status, reason
            FROM destination
            """)
    }

    package func put(_ destinations: [DestinationRow]) throws {
        for row in destinations {
            try connection.execute(
                Self.putDestination,
                [
                    .text(row.name.text), .integer(row.cursor), ColumnValue(row.generation),
                    ColumnValue(row.failures), ColumnValue(row.closedAt), ColumnValue(row.probes),
                    ColumnValue(row.notBefore), ColumnValue(row.isStopped), ColumnValue(row.failedAt),
                    ColumnValue(row.failure?.status), ColumnValue(row.failure?.reason),
                ])
        }
    }

    private static let putDestination = upsert(
        into: "destination", key: ["name"],
        others: [
            "cursor", "generation", "failures", "closed_at_ms", "probes", "not_before_ms", "is_stopped", "failed_at_ms",
            "status", "reason",
        ])

    package func drop(_ destinations: [DestinationName]) throws {
        for name in destinations {
            try connection.execute("DELETE FROM delivery WHERE destination = ?", [.text(name.text)])
            try connection.execute("DELETE FROM destination WHERE name = ?", [.text(name.text)])
        }
    }

    package func deliveries(_ query: DeliveryQuery) throws -> [DeliveryRow] {
        func fetch(_ condition: String, _ values: [ColumnValue]) throws -> [DeliveryRow] {
            try DeliveryRow.fetchAll(
                connection,
                """
                SELECT destination, sequence, task.id, type, at_ms, delivery.attempts, next_at_ms, tried_at_ms,
                  is_dead, status, reason, answer, task.notify
                FROM delivery LEFT JOIN task USING (task_key) WHERE \(condition)
                """, values)
        }
        switch query {
        case .waiting(let name):
            return try fetch("destination = ? AND is_dead = 0 ORDER BY sequence", [.text(name.text)])
        case .dead(let name, let limit):
            return try fetch(
                "destination = ? AND is_dead = 1 ORDER BY sequence LIMIT ?", [.text(name.text), ColumnValue(limit)])
        case .of(let task, let name):
            let rows = try fetch(
                "task_key = (SELECT task_key FROM task WHERE id = ?) AND destination = ?",
                [.text(task.text), .text(name.text)])
            return rows.sorted { $0.sequence < $1.sequence }
        }
    }

    package func deliveryCounts() throws -> [DeliveryCount] {
        try DeliveryCount.fetchAll(
            connection, "SELECT destination, is_dead, COUNT(*) FROM delivery GROUP BY destination, is_dead")
    }

    package func put(_ deliveries: [DeliveryRow]) throws {
        for row in deliveries {
            // Nothing is stored about a task that was removed meanwhile.
            let marks = repeatElement("?", count: 11).joined(separator: ", ")
            let source =
                row.task == nil ? "VALUES (\(marks), NULL)" : "SELECT \(marks), task_key FROM task WHERE id = ?"
            let id = row.task.map { [ColumnValue.text($0.text)] } ?? []
            let values: [ColumnValue] = [
                .text(row.destination.text), .integer(row.sequence), .text(row.type.text),
                ColumnValue(row.at), ColumnValue(row.attempts), ColumnValue(row.nextAt), ColumnValue(row.triedAt),
                ColumnValue(row.isDead), ColumnValue(row.failure?.status), ColumnValue(row.failure?.reason),
                ColumnValue(row.failure?.answer),
            ]
            try connection.execute(
                """
                INSERT INTO delivery (
                  destination, sequence, type, at_ms, attempts, next_at_ms, tried_at_ms, is_dead, status, reason,
                  answer, task_key)
                \(source)
                \(Self.replacingDelivery)
                """, values + id)
        }
    }

    private static let replacingDelivery = replacing(
        key: ["destination", "sequence"],
        others: [
            "type", "at_ms", "attempts", "next_at_ms", "tried_at_ms", "is_dead", "status", "reason", "answer",
            "task_key",
        ])

    package func drop(_ sequences: [Int64], of destination: DestinationName) throws {
        for sequence in sequences {
            try connection.execute(
                "DELETE FROM delivery WHERE destination = ? AND sequence = ?",
                [.text(destination.text), .integer(sequence)])
        }
    }

    package func undelivered(of keys: [Int64], after sequence: Int64) throws -> Set<Int64> {
        let found = try FoundRow.fetchGroups(
            connection,
            """
            SELECT EXISTS (SELECT 1 FROM delivery WHERE task_key = ?1 AND is_dead = 0)
              OR EXISTS (SELECT 1 FROM event WHERE task_key = ?1 AND sequence > ?2)
            """, each: keys.map { [.integer($0), .integer(sequence)] })
        return Set(zip(keys, found).filter { $1.first?.isFound ?? false }.map(\.0))
    }

    package func lastEvent(before time: Timestamp) throws -> Int64 {
        try connection.integer(
            "SELECT sequence FROM event WHERE at_ms < ? ORDER BY sequence DESC LIMIT 1", [ColumnValue(time)]) ?? 0
    }
}

private struct FoundRow: ColumnDecodable {
    let isFound: Bool

    init(_ next: inout ColumnReader) throws { isFound = next() }
}

extension DeliveryCount: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(destination: try next.destination(), isDead: next(), count: next())
    }
}

extension DestinationRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(name: try next.destination(), cursor: next())
        generation = next()
        failures = next()
        closedAt = next.time()
        probes = next()
        notBefore = next.time()
        isStopped = next()
        failedAt = next.time()
        let status: Int? = next.optional()
        failure = (next.optional() as String?).map { DeliveryFailure(status: status, reason: $0) }
    }
}

extension DeliveryRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let (destination, sequence): (DestinationName, Int64) = (try next.destination(), next())
        let task = (next.optional() as String?).map { TaskID($0) }
        guard let type = NotificationType(next()), task != .some(nil) else {
            throw TaskStoreError.damaged("a delivery to \(destination) cannot be read")
        }
        self.init(
            destination: destination, sequence: sequence, task: task ?? nil, type: type,
            at: Timestamp(milliseconds: next()))
        attempts = next()
        nextAt = next.time()
        triedAt = next.time()
        isDead = next()
        let (status, reason, answer): (Int?, String?, String?) = (next.optional(), next.optional(), next.optional())
        failure = reason.map { DeliveryFailure(status: status, reason: $0, answer: answer) }
        notify = next.optional()
    }
}

extension ColumnReader {
    fileprivate mutating func destination() throws -> DestinationName {
        guard let name = DestinationName(self()) else {
            throw TaskStoreError.damaged("a destination has an unreadable name")
        }
        return name
    }
}
