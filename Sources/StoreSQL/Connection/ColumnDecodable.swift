/// A row that reads its own columns, by position.
package protocol ColumnDecodable {
    /// Reads the columns in the order of the SELECT.
    init(_ columns: inout ColumnReader) throws
}

extension ColumnDecodable {
    /// All rows of the statement.
    package static func fetchAll(
        _ connection: any SQLConnection, _ statement: SQLStatement, _ values: [ColumnValue] = []
    ) throws -> [Self] {
        try fetch(connection, statement, values) { _ in false }
    }

    /// The rows of the statement, up to and including the first for which `isEnough` returns true.
    package static func fetch(
        _ connection: any SQLConnection, _ statement: SQLStatement, _ values: [ColumnValue],
        until isEnough: (Self) -> Bool
    ) throws -> [Self] {
        var rows: [Self] = []
        try connection.rows(of: statement, values) { columns in
            let row = try read(&columns)
            let isLast = isEnough(row)
            rows.append(row)
            return isLast
        }
        return rows
    }

    /// The first row of the statement; nil if it has none.
    package static func fetchOne(
        _ connection: any SQLConnection, _ statement: SQLStatement, _ values: [ColumnValue] = []
    ) throws -> Self? {
        var found: Self?
        try connection.rows(of: statement, values) { columns in
            found = try read(&columns)
            return true
        }
        return found
    }

    /// The rows that the statement has for each list of values, in the order of the lists.
    package static func fetchAll(
        _ connection: any SQLConnection, _ statement: SQLStatement, each values: [[ColumnValue]]
    ) throws -> [Self] {
        var rows: [Self] = []
        try connection.rows(of: statement, each: values) { _, columns in rows.append(try read(&columns)) }
        return rows
    }

    /// The same, with the rows of each list apart.
    package static func fetchGroups(
        _ connection: any SQLConnection, _ statement: SQLStatement, each values: [[ColumnValue]]
    ) throws -> [[Self]] {
        var groups = [[Self]](repeating: [], count: values.count)
        try connection.rows(of: statement, each: values) { list, columns in groups[list].append(try read(&columns)) }
        return groups
    }

    /// Reads a row. Throws ``ColumnTypeError`` if a column has another type, even if the row fails by itself too.
    private static func read(_ columns: inout ColumnReader) throws -> Self {
        do {
            let row = try Self(&columns)
            try columns.checkTypes()
            return row
        } catch {
            try columns.checkTypes()
            throw error
        }
    }
}

extension Int64: ColumnDecodable {
    package init(_ next: inout ColumnReader) { self = next() }
}

extension String: ColumnDecodable {
    package init(_ next: inout ColumnReader) { self = next() }
}
