import PostgresMigrations
import StoreSQL
import TaskStore

/// Brings the tables of a database up to date.
enum PostgresSchema {
    /// The lock of migrations: of several machines that start, one migrates. The number is arbitrary.
    private static let lock: Int64 = 7_666_278_989
    private static let oldestServer = 150_000

    /// Checks the server, and applies the migrations that the database lacks, all or none. Uses a connection that no other
    /// statement was sent on.
    static func prepare(_ connection: PostgresConnection) throws {
        guard connection.serverVersion >= oldestServer else {
            throw TaskStoreError.failed("Pollux needs PostgreSQL 15 or later, and the server is older")
        }
        guard connection.parameter("server_encoding") == "UTF8" else {
            throw TaskStoreError.failed("the encoding of the database must be UTF8")
        }
        if try missing(connection).isEmpty { return }
        try connection.run(script: "BEGIN; SELECT pg_advisory_xact_lock(\(lock))")
        try connection.run(
            script: """
                CREATE TABLE IF NOT EXISTS schema_migration (
                  name       TEXT COLLATE "C" PRIMARY KEY,
                  applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
                )
                """)
        for migration in try missing(connection) {
            try connection.run(script: migration.sql)
            try connection.run(script: "INSERT INTO schema_migration (name) VALUES ('\(migration.name)')")
        }
        try connection.run(script: "COMMIT")
    }

    /// The migrations that the database lacks. Throws ``TaskStoreError/newer`` if it has one that this version does not know.
    private static func missing(_ connection: PostgresConnection) throws -> [PostgresMigration] {
        guard try connection.run(script: "SELECT 1 WHERE to_regclass('schema_migration') IS NOT NULL") == ["1"] else {
            return PostgresMigrations.all
        }
        let applied = try connection.run(script: "SELECT name FROM schema_migration")
        guard Set(applied).isSubset(of: PostgresMigrations.all.map(\.name)) else { throw TaskStoreError.newer }
        return PostgresMigrations.all.filter { !applied.contains($0.name) }
    }
}
