import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Tests that a cached statement works again after it failed.
@Suite struct FailedStatementTests {
    private let directory: TemporaryDirectory
    private let store: SQLiteDriver
    private let now = Timestamp(milliseconds: 1_795_000_000_000)

    init() throws {
        directory = try TemporaryDirectory()
        store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
    }

    /// Makes the writer's connection fail some statements while the body runs.
    private func refusing(_ statements: String, _ body: () async throws -> Void) async throws {
        try await store.pool.writeWithoutTransaction { db in
            try db.execute(
                sql: "CREATE TEMP TRIGGER refusal BEFORE \(statements) BEGIN SELECT RAISE(ABORT, 'refused'); END")
        }
        try await body()
        try await store.pool.writeWithoutTransaction { db in try db.execute(sql: "DROP TRIGGER refusal") }
    }

    @Test func `an insertion succeeds after failed ones`() async throws {
        _ = try await store.verbs.insert(.new(.task(1)))
        try await refusing("INSERT ON main.task") {
            for number in 2...4 {
                await #expect(throws: TaskStoreError.self) { _ = try await store.verbs.insert(.new(.task(number))) }
            }
        }
        for number in 2...4 { #expect(try await store.verbs.insert(.new(.task(number))) == .created) }
        #expect(try await store.verbs.counts().map(\.count).reduce(0, +) == 4)
        try store.close()
    }

    @Test func `a failed insertion does not affect others in its group`() async throws {
        _ = try await store.verbs.insert(.new(.task(1)))
        let bad = TrackedTask.task(3).id.text
        try await refusing("INSERT ON main.task WHEN new.id = '\(bad)'") {
            await withTaskGroup { group in
                for number in 2...6 {
                    group.addTask {
                        let outcome = await Result { try await store.verbs.insert(.new(.task(number))) }
                        if case .success = outcome { #expect(number != 3) } else { #expect(number == 3) }
                    }
                }
            }
        }
        #expect(try await store.verbs.counts().map(\.count).reduce(0, +) == 5)
        try store.close()
    }

    @Test func `a change succeeds after failed ones`() async throws {
        let task = TrackedTask.task(1)
        _ = try await store.verbs.insert(.new(task))
        try await refusing("UPDATE ON main.task") {
            for _ in 0..<2 {
                await #expect(throws: TaskStoreError.self) {
                    _ = try await store.verbs.apply(
                        .submissionStarted(callback: nil), to: task.id, under: .testing, at: now, nextDueAt: now)
                }
            }
        }
        let change = try await store.verbs.apply(
            .submissionStarted(callback: nil), to: task.id, under: .testing, at: now, nextDueAt: now)
        #expect(change?.task.state == .submitting)
        try store.close()
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
