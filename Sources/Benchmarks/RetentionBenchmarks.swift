import Foundation
import GRDB
import SQLiteDriver
import TaskModel
import TaskStore
import VerbatimJSON

/// A year of tasks under a retention of 90 days, played on the store itself.
struct RetentionBenchmarks {
    let place: Place
    let report: Report

    private static let days = 365
    private static let kept = 90
    /// A real day of 5,000 tasks is played by fewer; sizes are told per task.
    private var perDay: Int { place.isQuick ? 40 : 500 }

    func run() async throws {
        let state = try place.directory("retention")
        let path = state + "/pollux.sqlite"
        let driver = try SQLiteDriver.open(path: path)
        let store = TaskStore(driver)
        var policy = RetentionPolicy()
        policy.ended = .seconds(Int64(Self.kept) * 86_400)
        let start = Timestamp(Date()) - .seconds(Int64(Self.days) * 86_400)
        var full = Sizes()
        var last = Sizes()
        for day in 1...Self.days {
            let now = start + .seconds(Int64(day) * 86_400)
            try await live(day, at: now, in: store)
            var sweep = RetentionSweep(policy, at: now)
            while !sweep.isOver { sweep = try await store.advance(sweep, at: now) }
            guard [Self.kept, 180, 270, Self.days].contains(day) else { continue }
            last = try Sizes(of: path)
            if day == Self.kept { full = last }
            let words = "retention: \(perDay) tasks a day, \(Self.kept) days kept: after \(day) days"
            report.add(
                "\(words), in use", last.used / 1_048_576, " MiB", limit: full.used / 1_048_576,
                of: "after \(Self.kept) days")
            report.add("\(words), free pages", last.free / 1_048_576, " MiB")
        }
        try await checkOldKey(in: store)
        let stubs = Double((Self.days - Self.kept) * perDay)
        let whole = Double(Self.kept * perDay)
        report.add("retention: bytes of a task with details", full.used / whole, " B")
        report.add("retention: bytes of a task without details", (last.used - full.used) / stubs, " B")
        for name in full.tables.keys.sorted() {
            let (before, after) = (full.tables[name] ?? 0, last.tables[name] ?? 0)
            // A page or two of a table that is nearly empty.
            guard before > 5 * whole || after > 5 * whole else { continue }
            report.add("retention: \(name), with details", before / whole, " B")
            report.add("retention: \(name), without", max(after - before, 0) / stubs, " B")
        }
        try driver.close()
        try compare(state)
    }

    /// One day's tasks, from their submission to their end.
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

    /// The first key of the year names its task.
    private func checkOldKey(in store: TaskStore) async throws {
        var random = SystemRandomNumberGenerator()
        let now = Timestamp(Date())
        let task = TrackedTask(
            id: TaskID(at: now, using: &random),
            endpoint: try unwrapped(EndpointName(SeededDatabase.endpoints[0])), createdAt: now)
        let again = NewTask(
            task: task, payload: TaskPayload(request: .null),
            idempotencyKey: .init(key: "order-1-0", fingerprint: [UInt8](repeating: 0, count: 32)))
        guard case .keyInUse = try await store.insert(again) else {
            throw BenchmarkError("the oldest key is forgotten")
        }
        report.add("retention: days after which a key named its task", Double(Self.days - 1), "")
    }

    /// Start and submit of a daemon on that database, and on an empty one.
    private func compare(_ state: String) throws {
        let used = try costs(state)
        let fresh = try costs(try place.directory("retention-fresh"))
        let base = "a fresh database"
        report.add("retention: start with an empty database", fresh.start, " s")
        report.add(
            "retention: start after the year", used.start, " s", limit: fresh.start, of: base,
            bar: place.isQuick ? nil : 1.1,
            below: true)
        report.add("retention: submit with an empty database", fresh.submit, " µs")
        report.add(
            "retention: submit after the year", used.submit, " µs", limit: fresh.submit, of: base,
            bar: place.isQuick ? nil : 1.1, below: true)
    }

    private func costs(_ state: String) throws -> (start: Double, submit: Double) {
        func daemon() throws -> DaemonProcess {
            // Without a token nothing is sent.
            try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false)
        }
        let starts = try (0..<5).map { _ in
            let daemon = try daemon()
            daemon.server.stop()
            return daemon.secondsToAnswer
        }
        let daemon = try daemon()
        defer { daemon.server.stop() }
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        let client = daemon.client(1, expecting: "HTTP/1.1 201")
        _ = try client.run(100) { _ in submit }
        let outcome = try client.run(place.isQuick ? 300 : 3_000) { _ in submit }
        return (starts.sorted()[starts.count / 2], outcome.latencies.quantile(0.5))
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
