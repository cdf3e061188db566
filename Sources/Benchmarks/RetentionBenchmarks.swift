import Foundation
import GRDB
import SQLiteDriver
import TaskModel
import TaskStore
import VerbatimJSON

/// Measures the store with two years of tasks kept for 90 days, and with a year in which stubs are removed as early as
/// details.
struct RetentionBenchmarks {
    let place: Place
    let report: Report

    private static let kept = 90
    private static let quarter = 91
    private static let year = 365
    /// A busy day has 5,000 tasks. Fewer stand for it, unless `POLLUX_BENCHMARK_TASKS_PER_DAY` says how many: two years of
    /// 5,000 take most of an hour.
    private var perDay: Int {
        let stated = ProcessInfo.processInfo.environment["POLLUX_BENCHMARK_TASKS_PER_DAY"].flatMap { Int($0) }
        return stated.map { max($0, 1) } ?? (place.isQuick ? 40 : 250)
    }

    private static func days(_ count: Int) -> Duration { .seconds(Int64(count) * 86_400) }

    func run() async throws {
        var policy = RetentionPolicy()
        policy.ended = Self.days(Self.kept)
        policy.ledger = Self.days(Self.year)
        let state = try place.directory("retention")
        let sizes = try await play(
            2 * Self.year, under: policy, steadyFrom: Self.year, in: state, "stubs for a year")
        reportBytes(full: sizes[Self.kept] ?? Sizes(), last: sizes[Self.year] ?? Sizes())
        try compare(state)
        policy.idempotencyKeys = Self.days(Self.quarter)
        policy.stubs = Self.days(Self.quarter)
        policy.ledger = Self.days(Self.quarter)
        _ = try await play(
            Self.year, under: policy, steadyFrom: Self.quarter + 1, in: try place.directory("retention-short"),
            "stubs for \(Self.quarter) days")
    }

    /// Simulates this many days. Reports the size at the end of each quarter, from the day on which the oldest tasks
    /// are first removed. Returns the sizes by day.
    private func play(
        _ days: Int, under policy: RetentionPolicy, steadyFrom steady: Int, in state: String, _ words: String
    ) async throws -> [Int: Sizes] {
        let path = state + "/pollux.sqlite"
        let driver = try SQLiteDriver.open(path: path)
        let store = TaskStore(driver)
        let start = Timestamp(Date()) - Self.days(days)
        let quarters = Array(stride(from: steady, through: days, by: Self.quarter))
        var sizes: [Int: Sizes] = [:]
        for day in 1...days {
            let now = start + Self.days(day)
            try await live(day, at: now, in: store)
            var sweep = RetentionSweep(policy, at: now)
            while !sweep.isOver { sweep = try await store.advance(sweep, at: now) }
            guard day == Self.kept || quarters.contains(day) else { continue }
            let size = try Sizes(of: path)
            sizes[day] = size
            let name = "retention: \(perDay) tasks a day, \(words): after \(day) days"
            if let before = sizes[day - Self.quarter], quarters.contains(day - Self.quarter) {
                report.add(
                    "\(name), in use", size.used / 1_048_576, " MiB", limit: before.used / 1_048_576,
                    of: "a quarter before", bar: day == quarters.last ? 1.02 : nil, below: true)
            } else {
                report.add("\(name), in use", size.used / 1_048_576, " MiB")
            }
            report.add("\(name), free pages", size.free / 1_048_576, " MiB")
        }
        let span = Int((policy.keySpan ?? .zero).inSeconds) / 86_400
        try await checkKeys(days - span, at: start + Self.days(days), in: store)
        report.add("retention: \(words): age of the oldest key that names its task", Double(span - 1), " days")
        try driver.close()
        return sizes
    }

    /// Reports the size of a task with its details and without.
    private func reportBytes(full: Sizes, last: Sizes) {
        let stubs = Double((Self.year - Self.kept) * perDay)
        let whole = Double(Self.kept * perDay)
        report.add("retention: bytes of a task with details", full.used / whole, " B")
        report.add("retention: bytes of a task without details", (last.used - full.used) / stubs, " B")
        for name in full.tables.keys.sorted() {
            let (before, after) = (full.tables[name] ?? 0, last.tables[name] ?? 0)
            // The table is nearly empty, with a page or two.
            guard before > 5 * whole || after > 5 * whole else { continue }
            report.add("retention: \(name), with details", before / whole, " B")
            report.add("retention: \(name), without", max(after - before, 0) / stubs, " B")
        }
    }

    /// Runs one day's tasks from submission to end.
    private func live(_ day: Int, at now: Timestamp, in store: TaskStore) async throws {
        var random = SystemRandomNumberGenerator()
        let lease = LeaseName(ProviderAccount(provider: try unwrapped(ProviderName("xhuoapi"))))
        var number = 0
        while number < perDay {
            let count = min(250, perDay - number)
            let new = try (number..<number + count).map { number in
                let name = SeededDatabase.endpoints[number % SeededDatabase.endpoints.count]
                let task = TrackedTask(
                    id: TaskID(at: now, using: &random), endpoint: try unwrapped(EndpointName(name)), createdAt: now)
                let request = JSONValue.object(
                    JSONObject([("prompt", "A cat sitting on a table, in the style of an old photograph")]))
                return NewTask(
                    task: task, payload: TaskPayload(request: request),
                    idempotencyKey: .init(
                        key: "order-\(day)-\(number)", fingerprint: (0..<32).map { _ in UInt8.random(in: 0...255) }))
            }
            number += count
            _ = try await store.insert(new)
            let ids = new.map(\.task.id)
            _ = try await store.apply(
                ids.map { ScheduledEvent(.submissionStarted(), for: $0, under: lease, nextDueAt: now) }, at: now)
            let remote = try ids.map { ($0, try unwrapped(RemoteTaskID("r-" + $0.text.dropFirst(2)))) }
            _ = try await store.apply(
                remote.map { ScheduledEvent(.submissionAccepted($1, traceID: nil), for: $0, nextDueAt: now) }, at: now)
            _ = try await store.apply(
                try remote.map { id, remoteID in
                    ScheduledEvent(.observed(try Self.success(of: remoteID)), for: id, nextDueAt: nil)
                }, at: now)
        }
    }

    private static func success(of id: RemoteTaskID) throws -> Observation {
        var done = Observation(
            .succeeded(partial: false), record: try JSONValue(parsing: InstantProvider.record(id.text)))
        done.results = [
            TaskResult(
                kind: .url, pointer: JSONPointer(tokens: ["response", "data", "0", "image_url"]),
                value: .string("https://cdn.example.com/\(id).png"), mediaType: "image/png")
        ]
        return done
    }

    /// Checks that the key of that day was removed with its task, and that the key of the next day still finds its
    /// task.
    private func checkKeys(_ day: Int, at now: Timestamp, in store: TaskStore) async throws {
        var random = SystemRandomNumberGenerator()
        for (day, isThere) in [(day, false), (day + 1, true)] {
            let task = TrackedTask(
                id: TaskID(at: now, using: &random),
                endpoint: try unwrapped(EndpointName(SeededDatabase.endpoints[0])), createdAt: now)
            let again = NewTask(
                task: task, payload: TaskPayload(request: .null),
                idempotencyKey: .init(key: "order-\(day)-0", fingerprint: [UInt8](repeating: 0, count: 32)))
            let isKnown = if case .keyInUse = try await store.insert(again) { true } else { false }
            guard isKnown == isThere else {
                throw BenchmarkError("the key of day \(day) is \(isKnown ? "still there" : "forgotten")")
            }
        }
    }

    /// Compares start and submit of a daemon on that database with those on an empty one.
    private func compare(_ state: String) throws {
        let fresh = try place.directory("retention-fresh")
        let starts = try PairedDaemons.starts(place, fresh, state)
        let daemons = try PairedDaemons(place, fresh, state)
        defer { daemons.stop() }
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        let submits = try daemons.latencies(place.isQuick ? 300 : 3_000, expecting: "HTTP/1.1 201") { _, _ in submit }
        for (name, costs, unit) in [("start", starts, " s"), ("submit", submits, " µs")] {
            report.add("retention: \(name) with an empty database", costs.first, unit)
            report.add(
                "retention: \(name) after two years", costs.second, unit, limit: costs.first, of: "a fresh database",
                bar: place.isQuick ? nil : 1.1, below: true)
        }
    }

    private func unwrapped<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw BenchmarkError("a name is invalid") }
        return value
    }

    /// The sizes of a database and of each of its tables and indexes, in bytes.
    private struct Sizes {
        var used = 0.0
        var free = 0.0
        var tables: [String: Double] = [:]

        init() {}

        init(of path: String) throws {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            (used, free, tables) = try queue.read { db in
                let page = try Double.fetchOne(db, sql: "PRAGMA page_size") ?? 0
                let count = try Double.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                let free = try Double.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
                let rows = try Row.fetchAll(db, sql: "SELECT name, SUM(pgsize) AS size FROM dbstat GROUP BY name")
                return (
                    (count - free) * page, free * page,
                    Dictionary(uniqueKeysWithValues: rows.map { ($0["name"] as String, $0["size"] as Double) })
                )
            }
        }
    }
}
