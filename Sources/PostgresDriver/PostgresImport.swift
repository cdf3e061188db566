package import StoreSQL
package import TaskStore

/// PostgresImport fills an empty database with the rows of another store, in one transaction.
package enum PostgresImport {
    /// The time limits of usual transactions do not hold for one that writes everything.
    private static let noLimits: SQLStatement = """
        SELECT set_config('statement_timeout', '0', TRUE), set_config('idle_in_transaction_session_timeout', '0', TRUE)
        """

    /// Creates the tables if they are missing, and runs `body`. Commits if it returns true, and then calls `beforeCommit`
    /// first. Blocks until then; returns where the database is.
    ///
    /// Throws ``TaskStoreError/unknown`` if the commit may be on disk, and another error if nothing is.
    package static func run(
        into address: PostgresAddress, _ body: (any SQLConnection) throws -> Bool,
        beforeCommit: (_ place: String) throws -> Void
    ) throws(TaskStoreError) -> String {
        do {
            let connection = try PostgresConnection(PostgresOptions(address: address, keepsStatements: true))
            try PostgresSchema.prepare(connection)
            try connection.beginPipeline()
            try connection.beginWrite()
            try connection.rows(of: noLimits, []) { _ in true }
            guard try body(connection) else {
                connection.rollBack()
                return connection.place
            }
            try beforeCommit(connection.place)
            try connection.commit()
            return connection.place
        } catch {
            throw TaskStoreError(translating: error)
        }
    }
}
