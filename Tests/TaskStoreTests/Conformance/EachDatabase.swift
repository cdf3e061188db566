import TaskStore

/// Runs tests on a new store of each database, and checks the plans of their statements.
enum EachDatabase {
    static func with(_ body: (any StoreDriver) async throws -> Void) async throws {
        try await PlanCheck.with { driver in try await body(driver) }
        try await PostgresDatabase.with { driver, _ in try await body(driver) }
    }
}
