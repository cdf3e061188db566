import Foundation
import TaskModel

/// What a daemon costs whose database holds many ended tasks.
struct EndedBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        let sizes = place.isQuick ? [1_000, 10_000] : [10_000, 1_000_000]
        let few = try costs(sizes[0])
        let many = try costs(sizes[1])
        let base = "\(sizes[0].formatted()) ended tasks"
        func add(_ name: String, _ cost: KeyPath<Costs, Double>, _ unit: String) {
            report.add("\(name) with \(base)", few[keyPath: cost], unit)
            report.add(
                "\(name) with \(sizes[1].formatted()) ended tasks", many[keyPath: cost], unit,
                limit: few[keyPath: cost], of: base, bar: place.isQuick ? nil : 1.3, below: true)
        }
        add("submit", \.submit, " µs")
        add("task by id", \.task, " µs")
        add("page of 50", \.page, " µs")
        add("start", \.start, " s")
    }

    /// Medians, of one client.
    private struct Costs {
        let submit: Double
        let task: Double
        let page: Double
        let start: Double
    }

    private func costs(_ size: Int) throws -> Costs {
        let state = try place.directory("ended-\(size)")
        try SeededDatabase.make(
            state + "/pollux.sqlite", tasks: size, kinds: 20, now: Timestamp(Date()), state: .succeeded)
        let starts = try (0..<5).map { _ in
            let daemon = try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false)
            daemon.server.stop()
            return daemon.secondsToAnswer
        }
        // Without a token nothing is sent.
        let daemon = try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false)
        defer { daemon.server.stop() }
        // A start checks the pages of a large database beside its requests, which is not what a request costs later.
        daemon.server.waitUntilIdle()
        let scale = place.isQuick ? 1 : 10
        func median(_ count: Int, expecting: String = "HTTP/1.1 200", _ request: (Int) -> [UInt8]) throws -> Double {
            let client = daemon.client(1, expecting: expecting)
            _ = try client.run(count / 10, request: request)
            let outcome = try client.run(count, request: request)
            guard outcome.refused == 0 else { throw BenchmarkError("\(outcome.refused) requests were refused") }
            return outcome.latencies.quantile(0.5)
        }
        let ids = (0..<1_000).map { SeededDatabase.id(($0 * 7_919) % size + 1) }
        let tasks = ids.map { HTTPText.request("GET", "/v1/tasks/\($0)") }
        let task = try median(500 * scale) { tasks[$0 % tasks.count] }
        let page = try median(50 * scale) { _ in HTTPText.request("GET", "/v1/tasks?limit=50") }
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        return Costs(
            submit: try median(200 * scale, expecting: "HTTP/1.1 201") { _ in submit }, task: task, page: page,
            start: starts.sorted()[starts.count / 2])
    }
}
