import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Destinations of notifications, and deliveries that failed.
extension SQLiteTransaction {
    func destinations() throws -> [DestinationRow] {
        try DestinationRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT name, cursor, generation, failures, closed_at_ms, probes, not_before_ms, is_stopped, failed_at_ms,
                      status, reason
                    FROM destination
                    """), binding: [])
    }

    func put(_ destinations: [DestinationRow]) throws {
        for row in destinations {
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO destination (
                      name, cursor, generation, failures, closed_at_ms, probes, not_before_ms, is_stopped, failed_at_ms,
                      status, reason)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(
                binding: .text(row.name.text), .integer(row.cursor), ColumnValue(row.generation),
                ColumnValue(row.failures), ColumnValue(row.closedAt), ColumnValue(row.probes),
                ColumnValue(row.notBefore), ColumnValue(row.isStopped), ColumnValue(row.failedAt),
                ColumnValue(row.failure?.status), ColumnValue(row.failure?.reason))
        }
    }

    func drop(_ destinations: [DestinationName]) throws {
        for name in destinations {
            try db.cachedStatement(sql: "DELETE FROM delivery WHERE destination = ?").execute(binding: .text(name.text))
            try db.cachedStatement(sql: "DELETE FROM destination WHERE name = ?").execute(binding: .text(name.text))
        }
    }

    func deliveries(_ query: DeliveryQuery) throws -> [DeliveryRow] {
        func fetch(_ condition: String, _ values: [ColumnValue]) throws -> [DeliveryRow] {
            try DeliveryRow.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT destination, sequence, task.id, type, at_ms, delivery.attempts, next_at_ms, tried_at_ms,
                          is_dead, status, reason, answer, task.notify
                        FROM delivery LEFT JOIN task USING (task_key) WHERE \(condition)
                        """), binding: values)
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

    func deliveryCounts() throws -> [DeliveryCount] {
        try DeliveryCount.fetchAll(
            db.cachedStatement(
                sql: "SELECT destination, is_dead, COUNT(*) FROM delivery GROUP BY destination, is_dead"), binding: [])
    }

    func put(_ deliveries: [DeliveryRow]) throws {
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
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO delivery (
                      destination, sequence, type, at_ms, attempts, next_at_ms, tried_at_ms, is_dead, status, reason,
                      answer, task_key)
                    \(source)
                    """
            ).execute(binding: values + id)
        }
    }

    func drop(_ sequences: [Int64], of destination: DestinationName) throws {
        for sequence in sequences {
            try db.cachedStatement(sql: "DELETE FROM delivery WHERE destination = ? AND sequence = ?")
                .execute(binding: .text(destination.text), .integer(sequence))
        }
    }

    func undelivered(of keys: [Int64], after sequence: Int64) throws -> Set<Int64> {
        let statement = try db.cachedStatement(
            sql: """
                SELECT EXISTS (SELECT 1 FROM delivery WHERE task_key = ?1 AND is_dead = 0)
                  OR EXISTS (SELECT 1 FROM event WHERE task_key = ?1 AND sequence > ?2)
                """)
        return Set(
            try keys.filter { key in
                try FoundRow.fetchOne(statement, binding: .integer(key), .integer(sequence))?.isFound ?? false
            })
    }

    func lastEvent(before time: Timestamp) throws -> Int64 {
        try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT sequence FROM event WHERE at_ms < ? ORDER BY sequence DESC LIMIT 1"),
            arguments: [time.milliseconds]) ?? 0
    }
}

private struct FoundRow: ColumnDecodable {
    let isFound: Bool

    init(_ next: inout ColumnReader) throws { isFound = next() }
}

extension DeliveryCount: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(destination: try next.destination(), isDead: next(), count: next())
    }
}

extension DestinationRow: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
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
    init(_ next: inout ColumnReader) throws {
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
