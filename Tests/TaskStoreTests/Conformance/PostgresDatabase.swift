import PostgresDriver
import PostgresTesting

/// Databases for the conformance suite on PostgreSQL.
enum PostgresDatabase {
    /// A database with the current schema.
    private static let template = Result {
        let server = try PostgresServer.shared
        let address = try server.newDatabase()
        // It connects only to migrate.
        _ = try PostgresDriver.open(PostgresAddress(address))
        // A start stores on which server the database is; claims look at it.
        try server.run(
            """
            INSERT INTO meta (name, value) SELECT 'server', (SELECT CAST(system_identifier AS TEXT) FROM pg_control_system())
              || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
            """, in: address)
        return address
    }

    /// Runs the body on a new store, which is removed afterwards, with its address. Does nothing if PostgreSQL is not
    /// installed.
    static func with(_ body: (PostgresDriver, _ address: String) async throws -> Void) async throws {
        guard PostgresServer.isInstalled else { return }
        let server = try PostgresServer.shared
        let address = try server.newDatabase(copying: template.get())
        let plans = try PostgresPlanCheck(of: address, on: server)
        let driver = try PostgresDriver.open(PostgresAddress(address))
        do {
            try await body(driver, address)
        } catch {
            await driver.close()
            throw error
        }
        await driver.close()
        try plans.finish()
        try server.drop(address)
    }
}
