/// One step of the schema, in the order in which it is applied.
package struct PostgresMigration: Sendable {
    /// The file's name without its extension; recorded in the database once applied.
    package let name: String
    /// Plain SQL; run in one transaction.
    package let sql: String
}

/// Every migration of the PostgreSQL store, embedded in the binary; a test compares the list with the folder.
package enum PostgresMigrations {
    /// Oldest first.
    package static let all: [PostgresMigration] = [
        // The generated property replaces the leading digit of the file's name.
        PostgresMigration(name: "0001_create_tables", bytes: PackageResources._001_create_tables_sql)
    ]
}

extension PostgresMigration {
    fileprivate init(name: String, bytes: [UInt8]) {
        self.init(name: name, sql: String(decoding: bytes, as: UTF8.self))
    }
}
