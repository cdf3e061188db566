package import TaskStore

/// The row primitives on one connection, during one transaction or read.
///
/// A statement without a result is executed, and one for several keys takes them as lists, so that a remote
/// database needs few round trips.
package struct SQLTransaction: StoreTransaction {
    let connection: any SQLConnection
    /// Collects changes of counts until the commit; nil on a read-only connection.
    let counter: TaskCounter?

    package init(_ connection: any SQLConnection, counter: TaskCounter? = nil) {
        self.connection = connection
        self.counter = counter
    }

    var dialect: SQLDialect { connection.dialect }

    package func add(_ counts: [TaskCountDelta]) throws { counter?.add(counts) }

    /// Inserts a row, or writes its other columns over those of the row with that key. The values begin with the key.
    static func upsert(into table: String, key: [String], others: [String]) -> SQLStatement {
        let columns = key + others
        let marks = repeatElement("?", count: columns.count).joined(separator: ", ")
        return """
            INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(marks))
            \(replacing(key: key, others: others))
            """
    }

    /// The end of an insertion that writes over the row with that key.
    static func replacing(key: [String], others: [String]) -> String {
        let changes = others.map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return "ON CONFLICT (\(key.joined(separator: ", "))) DO UPDATE SET \(changes)"
    }
}
