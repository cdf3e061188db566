import Foundation
import GRDB
import Glibc
import SQLiteDriver
import TaskModel
import TaskStore

/// Measures the gateway among many tasks: the decision whether a request is a retry, and polls that it answers, beside a proxy
/// that passes the same polls to a provider without delay.
struct GatewayBenchmarks {
    let place: Place
    let report: Report

    func run() async throws {
        let tasks = place.isQuick ? 50_000 : 1_000_000
        let state = try place.directory("gateway")
        let path = state + "/pollux.sqlite"
        let now = Timestamp(Date())
        try SeededDatabase.make(path, tasks: tasks, kinds: 1, now: now, state: .succeeded)
        try addExchanges(to: path, at: now)
        try await decide(path, among: tasks, at: now)
        try serve(state, tasks)
    }

    /// Gives each task an exchange.
    private func addExchanges(to path: String, at now: Timestamp) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO gateway_exchange (task_key, content_key, mark, fate, since_ms)
                    SELECT task_key, CAST(printf('%032d', task_key) AS BLOB), task_key, 'delivered', ? FROM task
                    """, arguments: [now.milliseconds])
        }
        try queue.close()
        sync()
    }

    private func decide(_ path: String, among tasks: Int, at now: Timestamp) async throws {
        let driver = try SQLiteDriver.open(path: path)
        let later = now + .seconds(20)
        let count = place.isQuick ? 1_000 : 10_000
        let (samples, claimed) = try await driver.read(for: .read("benchmark"), .snapshot) { rows in
            var (samples, claimed): ([UInt64], Int) = ([], 0)
            for number in 0..<count {
                let key = Array(String(format: "%032d", 1 + number * 7_919 % tasks).utf8)
                let start = Clock.nanoseconds
                let known = try rows.exchanges(with: key)
                if case .claim = JoinRule().decide(among: known, isCountedRetry: true, at: later) { claimed += 1 }
                samples.append(Clock.nanoseconds - start)
            }
            return (samples, claimed)
        }
        try driver.close()
        guard claimed == count else { throw BenchmarkError("\(claimed) of \(count) requests were retries") }
        let latencies = Latencies(samples)
        report.add(
            "gateway: is it a retry, among \(tasks) tasks, p50", latencies.quantile(0.5), " µs", bar: 100, below: true)
    }

    private func serve(_ state: String, _ tasks: Int) throws {
        let provider = try LocalProvider()
        defer { provider.stop() }
        let port = try RawSocket.freePort()
        let daemon = try DaemonProcess(
            place, state: state, baseURL: "http://127.0.0.1:\(provider.port)/v1",
            settings: ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:\(port)"])
        defer { daemon.server.stop() }
        var answer = ""
        _ = try daemon.client(1).run(1, onAnswer: { answer = String(decoding: $0, as: UTF8.self) }) { _ in
            HTTPText.request("POST", "/v1/gateway/tokens", #"{"name":"benchmark"}"#)
        }
        guard let token = answer.firstMatch(of: /"(pollux_[^"]+)"/)?.1 else { throw BenchmarkError("no token") }
        func request(_ path: String, _ body: String) -> [UInt8] {
            Array(
                """
                POST \(path) HTTP/1.1\r
                Host: 127.0.0.1\r
                Authorization: Bearer \(token)\r
                Content-Type: application/json\r
                Content-Length: \(body.utf8.count)\r
                \r
                \(body)
                """.utf8)
        }
        let polls = (0..<500).map { number in
            let task = 1 + number * 7_919 % tasks
            let id = String(format: "%08x-0000-4000-8000-%012x", task, task)
            return request("/xhuoapi/v1/kling/tasks", #"{"action":"retrieve","id":"\#(id)"}"#)
        }
        func client(_ port: UInt16, _ connections: Int) -> LoadGenerator {
            LoadGenerator(
                target: .tcp(port: port), framing: .http, connections: connections, expecting: "HTTP/1.1 200")
        }
        let proxyPort = try RawSocket.freePort()
        let proxy = try ServerProcess(
            place.benchmarks, ["bare-proxy", "\(proxyPort)", "http://127.0.0.1:\(provider.port)"])
        defer { proxy.stop() }
        try proxy.ready { (try? client(proxyPort, 1).run(1) { _ in polls[0] })?.refused == 0 }
        let count = place.isQuick ? 1_000 : 10_000
        for clients in [1, 64] {
            let direct = try client(provider.port, clients).run(count) { polls[$0 % polls.count] }
            report.add("bare: the provider itself, \(clients) client(s)", direct, limit: nil, of: "")
            let passed = try client(proxyPort, clients).run(count) { polls[$0 % polls.count] }
            report.add("bare: a proxy that only passes on, \(clients) client(s)", passed, limit: nil, of: "")
            let asked = provider.counts.queries
            let polled = try client(port, clients).run(count) { polls[$0 % polls.count] }
            report.add(
                "gateway: polls of \(tasks) tasks, \(clients) client(s)", polled, limit: passed.perSecond,
                of: "a proxy that only passes on")
            guard provider.counts.queries == asked else { throw BenchmarkError("polls reached the provider") }
            guard clients == 1 else { continue }
            let added = polled.latencies.quantile(0.5) - direct.latencies.quantile(0.5)
            report.add("gateway: latency that it adds to a poll, p50", added, " µs", bar: 1_000, below: true)
            report.add(
                "bare: latency that the proxy adds, p50",
                passed.latencies.quantile(0.5) - direct.latencies.quantile(0.5), " µs")
        }
    }
}
