import GRDB
import GRDBSQLite
import Logging
import ProviderCatalog
import Randomness
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

@Suite struct StartReadTests {
    @Test func `a start and the first claims read as little of many running tasks as of few`() async throws {
        let (few, many) = (try await steps(tasks: 60), try await steps(tasks: 3_000))
        #expect(few > 0)
        #expect(many < few + 100, "\(few) steps with 60 tasks, \(many) with 3,000")
    }

    /// How many steps SQLite's programs make in a start with so many running tasks, none of which is due.
    private func steps(tasks count: Int) async throws -> Int {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let before = try SQLiteDriver.open(path: path)
        let tasks = (1...count).map { number in
            var task = TrackedTask.task(number, state: .running)
            task.nextDueAt = ManualTimeSource.start + .seconds(10) + .milliseconds(number)
            return NewTask.new(task)
        }
        _ = try await TaskStore(before).insert(tasks)
        try before.close()

        let steps = StepCounter()
        let driver = try SQLiteDriver.open(path: path, configuration: steps.configuration)
        // To open a small database reads all of it.
        steps.reset()
        let engine = try await TaskEngine(
            store: TaskStore(driver),
            catalog: try ProviderCatalog(definitions: [("testing.yaml", EngineWorld.definition)]),
            transport: ScriptedTransport(), accounts: { _ in [Account(hasToken: true)] }, time: ManualTimeSource(),
            random: EngineRandom(SeededRandom(seed: 1)), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await engine.recovery.run()
        _ = try await engine.deadlines.step()
        _ = try await engine.reconciler.step()
        _ = try await engine.scheduler.step()
        _ = try await engine.submitter.step()
        _ = try await engine.sweeper.step()
        let count = steps.count
        try driver.close()
        return count
    }
}

/// Counts the steps of SQLite's programs, which grow with the rows and index entries that statements read.
private final class StepCounter: Sendable {
    private let steps = Atomic(0)

    /// A configuration whose connections count here.
    var configuration: Configuration {
        var configuration = DatabaseFile.configuration
        configuration.prepareDatabase { db in
            sqlite3_progress_handler(
                db.sqliteConnection, 1,
                { context in
                    guard let context else { return 0 }
                    Unmanaged<StepCounter>.fromOpaque(context).takeUnretainedValue().steps.add(1, ordering: .relaxed)
                    return 0
                }, Unmanaged.passUnretained(self).toOpaque())
        }
        return configuration
    }

    var count: Int { steps.load(ordering: .relaxed) }

    func reset() { steps.store(0, ordering: .relaxed) }
}
