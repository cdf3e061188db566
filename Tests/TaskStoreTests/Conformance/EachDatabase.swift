import FoundationEssentials
import TaskModel
import TaskStore
import TaskTesting

/// Runs tests on a new store of each database, and checks the plans of their statements.
enum EachDatabase {
    static func with(_ body: (any StoreDriver) async throws -> Void) async throws {
        try await PlanCheck.with { driver in try await body(driver) }
        // The suite is about one process, which needs no lease before its claims.
        try await PostgresDatabase.with { driver, _ in
            try await body(ClockedDriver(driver, leaseTerm: nil) { Timestamp(Date()) })
        }
    }
}
