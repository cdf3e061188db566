import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct WriterWatchdogTests {
    private final class Feeds: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    private let time = ManualTimeSource()
    private let feeds = Feeds()
    private let directory: TemporaryDirectory
    private let base: SQLiteDriver

    init() throws {
        directory = try TemporaryDirectory()
        base = try SQLiteDriver.open(path: directory.file("pollux.sqlite"), writing: .callers)
    }

    private func driver(_ interval: Duration) -> WatchedDriver {
        WatchedDriver(
            base: base, watchdog: WriterWatchdog(interval: interval, time: time) { [feeds] in feeds.add() })
    }

    private func write(_ driver: WatchedDriver, taking duration: Duration = .zero, failing: Bool = false) async throws {
        try await driver.write(
            for: .write("test"),
            { [time] _ in
                time.advance(by: duration)
                if failing { throw TaskStoreError.failed("the test fails it") }
            }, committed: { _ in })
    }

    @Test func `the beginning and the end of a write are progress`() async throws {
        let driver = driver(.seconds(120))
        try await write(driver, taking: .seconds(119))
        #expect(feeds.count == 2)
    }

    @Test func `a failed write is progress, because the writer goes on`() async throws {
        let driver = driver(.seconds(120))
        await #expect(throws: TaskStoreError.self) {
            try await write(driver, taking: .seconds(2), failing: true)
        }
        #expect(feeds.count >= 2)
    }

    @Test func `a busy writer feeds once a second, and more often only for a short interval`() async throws {
        let usual = driver(.seconds(120))
        for _ in 0..<100 {
            try await write(usual)
            time.advance(by: .milliseconds(100))
        }
        #expect(feeds.count == 10)
        let short = driver(.seconds(2))
        for _ in 0..<10 {
            try await write(short)
            time.advance(by: .milliseconds(100))
        }
        #expect(feeds.count == 12)
    }

    @Test func `an idle writer is asked to write twice in an interval`() async throws {
        let driver = driver(.seconds(120))
        await withThrowingTaskGroup { group in
            let timer = WatchdogTimer(interval: .seconds(120), driver: driver, time: time)
            group.addTask { try await timer.run() }
            await time.untilSleeping()
            #expect(feeds.count == 0)
            for round in 1...3 {
                #expect(time.sleepingUntil == [time.now() + .seconds(60)])
                time.advance(by: .seconds(60))
                await time.untilSleeping()
                #expect(feeds.count == round)
            }
            group.cancelAll()
        }
    }
}
