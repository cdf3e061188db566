import PostgresDriver
import PostgresTesting
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Tests plans that depend on what PostgreSQL knows of a table.
@Suite struct PostgresPlanTests {
    private let now = ManualTimeSource.start

    @Test func `a queued task is found by its key, even if the queue was empty at the last ANALYZE`() async throws {
        try await PostgresDatabase.with { driver, address in
            let store = TaskStore(driver)
            _ = try await store.insert((0..<300).map { .new(.task($0, state: .failed)) })
            try PostgresServer.shared.run("ANALYZE", in: address)
            let task = TrackedTask.task(1_000)
            _ = try await store.insert(.new(task))
            try await store.postpone([task.id], until: now + .seconds(1))
            _ = try await store.apply(.cancelRequested, to: task.id, at: now, nextDueAt: nil)
            #expect(try await store.task(task.id)?.state == .cancelled)
        }
    }
}
