import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads and writes facts about the database.
extension SQLiteTransaction {
    func meta() throws -> [MetaName: String] {
        let rows = try MetaRow.fetchAll(db.cachedStatement(sql: "SELECT name, value FROM meta"), binding: [])
        // A later version may know more facts.
        return Dictionary(rows.compactMap { row in MetaName(rawValue: row.name).map { ($0, row.value) } }) { $1 }
    }

    func put(_ name: MetaName, _ value: String) throws {
        try db.cachedStatement(
            sql: "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        ).execute(binding: .text(name.rawValue), .text(value))
    }

    func drop(_ name: MetaName) throws {
        try db.cachedStatement(sql: "DELETE FROM meta WHERE name = ?").execute(binding: .text(name.rawValue))
    }

    func latestEvent() throws -> (sequence: Int64, at: Timestamp?) {
        let row = try LatestEventRow.fetchOne(
            // The counter continues after the last lines were removed.
            db.cachedStatement(
                sql: """
                    SELECT IFNULL((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
                      (SELECT at_ms FROM event ORDER BY sequence DESC LIMIT 1)
                    """))
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
