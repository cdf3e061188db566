import Foundation
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

/// Database files for the tests of the SQLite driver.
protocol DatabaseFixture: Sendable {}

extension DatabaseFixture {
    var now: Timestamp { ManualTimeSource.start }

    func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
    func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    func open(_ path: String) -> Result<SQLiteDriver, TaskStoreError> {
        do throws(TaskStoreError) { return .success(try SQLiteDriver.open(path: path)) } catch {
            return .failure(error)
        }
    }

    /// Creates a closed database with tasks.
    func database(in directory: TemporaryDirectory, tasks: Int = 30) async throws -> String {
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<tasks { _ = try await store.verbs.insert(.new(.task(number))) }
        try store.close()
        return path
    }
}
