import Foundation
import Logging
import PollingPolicy
import ProviderCatalog
import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Measures our own cost of a poll and a submit, at different numbers of waiting tasks.
///
/// The provider replies at once from memory, and the clock is set forward to the next due time. Everything else is as
/// in the daemon: store, commits, rules.
struct SchedulerBenchmarks {
    let place: Place
    let report: Report

    func run() async throws {
        let sizes = place.isQuick ? [1_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
        var first: Costs?
        for size in sizes {
            let costs = try await costs(size, kinds: 4)
            report.plot("per poll", at: size, costs.poll, in: .cost)
            report.plot("per submit", at: size, costs.submit, in: .cost)
            let base = first ?? costs
            if first == nil { first = costs }
            let bar = size == 1_000_000 ? 1.5 : nil
            let words = "\(size.formatted()) running tasks"
            report.add(
                "scheduler: one query among \(words)", costs.poll, " µs", limit: base.poll, of: "1,000 tasks", bar: bar,
                below: true)
            report.add(
                "scheduler: deciding about one task among \(words)", costs.deciding, " µs", limit: base.deciding,
                of: "1,000 tasks", below: true)
            report.add(
                "store: one submit among \(words)", costs.submit, " µs", limit: base.submit, of: "1,000 tasks",
                bar: bar,
                below: true)
        }
        if !place.isQuick {
            // Shows how much of the growth comes from rows that are on separate pages.
            let together = try await costs(1_000_000, kinds: 4, scattered: false)
            report.add(
                "scheduler: one query among 1,000,000 running tasks that were submitted together", together.poll, " µs",
                limit: first?.poll, of: "1,000 tasks", below: true)
        }
        let many = try await costs(100_000, kinds: 20)
        report.add("scheduler: one query among 100,000 tasks of 20 endpoints", many.poll, " µs")
        report.add("scheduler: deciding about one of them, bar 50 µs", many.deciding, " µs")
    }

    /// Costs in microseconds of wall-clock time.
    private struct Costs {
        /// One query, with all its effects on disk.
        let poll: Double
        /// The decision what to poll when, per polled task.
        let deciding: Double
        /// One stored submission.
        let submit: Double
    }

    private func costs(_ size: Int, kinds: Int, scattered: Bool = true) async throws -> Costs {
        let directory = try place.directory("scheduler-\(size)-\(kinds)\(scattered ? "" : "-together")")
        let start = Timestamp(Date())
        try SeededDatabase.make(
            directory + "/pollux.sqlite", tasks: size, kinds: kinds, now: start, scattered: scattered)
        let database = try SQLiteDriver.open(path: directory + "/pollux.sqlite")
        let store = TaskStore(database)
        let time = SteppedTime(start)
        let provider = InstantProvider()
        let engine = try await TaskEngine(
            store: store, catalog: try ProviderCatalog.builtIn(), transport: provider, limits: Self.limits,
            accounts: { _ in [Account()] }, time: time, random: EngineRandom(SystemRandomNumberGenerator()),
            logger: Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() })
        let scheduler = engine.scheduler.worker
        var polls = 0
        var deciding: UInt64 = 0
        var spent: UInt64 = 0
        let wanted = place.isQuick ? 300 : 2_000
        while polls < wanted {
            let before = provider.sent
            let began = Clock.nanoseconds
            var work: [PollBatch] = []
            let next = try await scheduler.claim(into: &work, at: time.now())
            deciding += Clock.nanoseconds - began
            await withDiscardingTaskGroup { group in
                for round in work { group.addTask { await scheduler.perform(round) } }
            }
            spent += Clock.nanoseconds - began
            polls += provider.sent - before
            time.advance(to: next)
        }
        let count = place.isQuick ? 2_000 : 20_000
        let load = try StoreLoad(tasks: count, at: time.now())
        let submit = try await load.seconds(on: store, lanes: 64) * 1e6 / Double(count)
        try database.close()
        return Costs(
            poll: Double(spent) / 1_000 / Double(polls), deciding: Double(deciding) / 1_000 / Double(provider.asked),
            submit: submit)
    }

    /// As in the daemon, without the provider's limit on requests.
    static var limits: EngineLimits {
        var limits = EngineLimits()
        limits.pollsPerSecond = 1e9
        return limits
    }
}

/// A clock that changes only when it is set.
final class SteppedTime: TimeSource {
    private let point: Mutex<Timestamp>

    init(_ start: Timestamp) { point = Mutex(start) }

    func now() -> Timestamp { point.withLock { $0 } }
    func elapsed() -> Duration { .milliseconds(now().milliseconds) }
    func sleep(until point: Timestamp) async {}
    func advance(to next: Timestamp) { point.withLock { $0 = max($0, next) } }
}

/// Reports every task as running, without delay.
final class InstantProvider: UpstreamTransport {
    private let counts = Mutex((sent: 0, asked: 0))

    var sent: Int { counts.withLock { $0.sent } }
    /// The number of polled tasks.
    var asked: Int { counts.withLock { $0.asked } }

    func roomForPaidReply() -> ReplyRoom? { ReplyRoom() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let (body, asked) = Self.answer(to: request.body ?? [])
        counts.withLock { counts in
            counts.sent += 1
            counts.asked += asked
        }
        return UpstreamReply(status: 200, body: body)
    }

    /// The reply to a status query, and the number of tasks in it.
    static func answer(to request: [UInt8]) -> (body: [UInt8], asked: Int) {
        let query = (try? JSONValue(parsing: String(decoding: request, as: UTF8.self), limits: .lenient))?.object
        guard let ids = query?["ids"]?.array else { return (Array(record(query?["id"]?.string ?? "").utf8), 1) }
        let items = ids.compactMap(\.string).map(record).joined(separator: ",")
        return (Array("{\"items\":[\(items)],\"count\":\(ids.count)}".utf8), ids.count)
    }

    static func record(_ id: String) -> String {
        #"{"id":"\#(id)","created_at":1740969535.333,"request":{"prompt":"A cat"},"response":{"task_id":"\#(id)","status":"processing"}}"#
    }
}
