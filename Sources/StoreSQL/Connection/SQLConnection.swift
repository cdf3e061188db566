/// One connection to a database, during one transaction or read.
///
/// It is used by one thread at a time. Values are bound by position. A Boolean is the integer 0 or 1, and a time is an
/// integer of milliseconds.
package protocol SQLConnection {
    /// The database's own parts of statements.
    var dialect: SQLDialect { get }

    /// Runs a statement without waiting for its result.
    ///
    /// A remote database may receive it later, together with the statements after it and in their order. The next call
    /// that returns something then throws its error, or the commit does. `expected` is the number of rows that the
    /// statement must change; nil for any. Another number means that a row changed outside the transaction.
    func execute(_ statement: SQLStatement, _ values: [ColumnValue], changing expected: Int?) throws

    /// Runs a statement and returns the number of rows that it changed.
    func change(_ statement: SQLStatement, _ values: [ColumnValue]) throws -> Int

    /// Inserts one row for each list of values, and returns the keys of the rows, in order.
    ///
    /// The statement is a ``SQLDialect/insertion(into:key:columns:)``. SQLite numbers the rows. For PostgreSQL the
    /// connection takes the numbers from the sequence and puts each before its values, so that it waits for no reply.
    func insert(
        _ statement: SQLStatement, numberedBy sequence: SQLSequence, each values: [[ColumnValue]]
    ) throws -> [Int64]

    /// Passes the rows of a statement to `row` until it returns true or there are no more.
    func rows(
        of statement: SQLStatement, _ values: [ColumnValue], until row: (inout ColumnReader) throws -> Bool) throws

    /// Passes the rows that a statement has for each list of values to `row`, with the index of that list, in order.
    ///
    /// An embedded database runs it once per list; a remote one gets all lists in one round trip.
    func rows(
        of statement: SQLStatement, each values: [[ColumnValue]],
        _ row: (_ list: Int, _ columns: inout ColumnReader) throws -> Void) throws
}

/// The numbers that new rows get in the order of their insertion.
package enum SQLSequence: Sendable, Hashable, CaseIterable {
    /// Those of `task.task_key`.
    case task
    /// Those of `event.sequence`.
    case event
}

extension SQLConnection {
    /// Runs a statement without waiting for its result.
    package func execute(_ statement: SQLStatement, _ values: [ColumnValue] = []) throws {
        try execute(statement, values, changing: nil)
    }

    /// The integer in the only column of the first row; nil if it is NULL or there is no row.
    package func integer(_ statement: SQLStatement, _ values: [ColumnValue] = []) throws -> Int64? {
        var found: Int64?
        try rows(of: statement, values) { columns in
            found = columns.optional()
            try columns.checkTypes()
            return true
        }
        return found
    }
}
