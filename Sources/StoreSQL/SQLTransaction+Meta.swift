import FoundationEssentials
package import TaskModel
package import TaskStore

/// Reads and writes facts about the database.
extension SQLTransaction {
    package func meta() throws -> [MetaName: String] {
        let rows = try MetaRow.fetchAll(connection, "SELECT name, value FROM meta")
        // A later version may know more facts.
        return Dictionary(rows.compactMap { row in MetaName(rawValue: row.name).map { ($0, row.value) } }) { $1 }
    }

    package func put(_ name: MetaName, _ value: String) throws {
        try connection.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [.text(name.rawValue), .text(value)])
    }

    package func drop(_ name: MetaName) throws {
        try connection.execute("DELETE FROM meta WHERE name = ?", [.text(name.rawValue)])
    }

    package func now() throws -> Timestamp {
        // SQLite has no clock, so this machine's is read.
        guard let expression = dialect.clock else { return Timestamp(Date()) }
        return Timestamp(milliseconds: try connection.integer("SELECT \(expression)") ?? 0)
    }

    package func serverIdentity() throws -> String? {
        guard let expression = dialect.serverIdentity else { return nil }
        return try String.fetchOne(connection, "SELECT \(expression)")
    }

    package func latestEvent() throws -> (sequence: Int64, at: Timestamp?) {
        let row = try LatestEventRow.fetchOne(
            connection,
            """
            SELECT COALESCE(\(dialect.lastSequence), 0),
              (SELECT at_ms FROM event ORDER BY sequence DESC LIMIT 1)
            """)
        return (row?.sequence ?? 0, row?.at)
    }
}

private struct MetaRow: ColumnDecodable {
    let name: String
    let value: String

    init(_ next: inout ColumnReader) throws { (name, value) = (next(), next()) }
}

private struct LatestEventRow: ColumnDecodable {
    let sequence: Int64
    let at: Timestamp?

    init(_ next: inout ColumnReader) throws { (sequence, at) = (next(), next.time()) }
}
