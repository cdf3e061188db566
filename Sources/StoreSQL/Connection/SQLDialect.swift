import VerbatimJSON

/// What differs between databases in the text of a statement.
package enum SQLDialect: Sendable, Hashable, CaseIterable {
    case sqlite
    case postgres

    /// A hint after the name of a table: the index to use. PostgreSQL has no hints and decides by its statistics.
    func indexed(by index: String) -> String {
        switch self {
        case .sqlite: "INDEXED BY \(index)"
        case .postgres: ""
        }
    }

    /// A column that no index is used for, by SQLite's sign (https://sqlite.org/optoverview.html) or as an expression.
    ///
    /// PostgreSQL takes a partial index to be short if it was empty at the last ANALYZE. Without this it reads all of that
    /// index, instead of finding one row by its key and then looking at the column.
    func unindexed(_ column: String, isText: Bool = false) -> String {
        switch self {
        case .sqlite: "+\(column)"
        case .postgres: isText ? "(\(column) || '')" : "(\(column) + 0)"
        }
    }

    /// The same where PostgreSQL finds the right index by itself.
    func unindexedInSQLite(_ column: String) -> String { self == .sqlite ? "+\(column)" : column }

    /// A condition that the column has one of the texts of a JSON array, which is one value of the statement. The
    /// statement does not depend on their number, so that few statements are compiled.
    func isListed(_ column: String) -> String {
        switch self {
        case .sqlite: "\(column) IN (SELECT value FROM json_each(?))"
        // An index can find the elements of an array, but not those of a subquery.
        case .postgres: "\(column) = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(? AS JSONB))))"
        }
    }

    /// A table of the elements of a JSON array, which is one value of the statement, with the column `value`.
    func elements(named name: String) -> String {
        switch self {
        case .sqlite: "json_each(?) AS \(name)"
        case .postgres: "jsonb_array_elements(CAST(? AS JSONB)) AS \(name) (value)"
        }
    }

    /// A text as the element of such an array. PostgreSQL has no U+0000: it stores U+FFFD instead, and its JSON refuses
    /// the escape.
    func element(_ text: String) -> JSONValue {
        switch self {
        case .sqlite: .string(text)
        case .postgres: .string(text.replacing("\0", with: "\u{FFFD}"))
        }
    }

    /// All names and values of a group as the text of a JSON object; `{}` for an empty group.
    func object(of name: String, _ value: String) -> String {
        switch self {
        case .sqlite: "json_group_object(\(name), \(value))"
        case .postgres: "COALESCE(CAST(json_object_agg(\(name), \(value)) AS TEXT), '{}')"
        }
    }

    /// The greater one of two numbers that are not NULL.
    func greatest(_ first: String, _ second: String) -> String {
        switch self {
        case .sqlite: "MAX(\(first), \(second))"
        case .postgres: "GREATEST(\(first), \(second))"
        }
    }

    /// The smaller one of two numbers that are not NULL.
    func least(_ first: String, _ second: String) -> String {
        switch self {
        case .sqlite: "MIN(\(first), \(second))"
        case .postgres: "LEAST(\(first), \(second))"
        }
    }

    /// The number of bytes of a text.
    func bytes(of text: String) -> String {
        switch self {
        case .sqlite: "LENGTH(CAST(\(text) AS BLOB))"
        case .postgres: "OCTET_LENGTH(\(text))"
        }
    }

    /// The insertion of a row with these columns, whose values are in the same order. In PostgreSQL the key is the
    /// first value; SQLite generates it.
    func insertion(into table: String, key: String, columns: [String]) -> String {
        let columns = self == .sqlite ? columns : [key] + columns
        let marks = repeatElement("?", count: columns.count).joined(separator: ", ")
        return "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(marks))"
    }

    /// The number of the last line of the log that was ever written, as a subquery. It stays after lines were removed.
    var lastSequence: String {
        switch self {
        case .sqlite: "(SELECT seq FROM sqlite_sequence WHERE name = 'event')"
        case .postgres: "(SELECT last_event FROM log_counter)"
        }
    }

    /// The database's clock in milliseconds, which goes on within a transaction; nil if it has none.
    var clock: String? {
        switch self {
        case .sqlite: nil
        case .postgres: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
        }
    }

    /// The server's identity and timeline; nil if the database has no server. A standby that takes over begins a new timeline
    /// (https://www.postgresql.org/docs/15/continuous-archiving.html#BACKUP-TIMELINES), which is the beginning of the name of
    /// each file of the log; the control file still shows the old one for a while.
    package var serverIdentity: String? {
        switch self {
        case .sqlite: nil
        case .postgres:
            """
            (SELECT CAST(system_identifier AS TEXT) FROM pg_control_system())
              || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
            """
        }
    }
}
