import Foundation
import TaskModel

/// Measures a daemon whose database has many ended tasks.
struct EndedBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        let sizes = place.isQuick ? [1_000, 10_000] : [10_000, 1_000_000]
        let states = try sizes.map { size in
            let state = try place.directory("ended-\(size)")
            try SeededDatabase.make(
                state + "/pollux.sqlite", tasks: size, kinds: 20, now: Timestamp(Date()), state: .succeeded)
            return state
        }
        func add(_ name: String, _ costs: PairedDaemons.Medians, _ unit: String) {
            let base = "\(sizes[0].formatted()) ended tasks"
            report.add("\(name) with \(base)", costs.first, unit)
            report.add(
                "\(name) with \(sizes[1].formatted()) ended tasks", costs.second, unit, limit: costs.first, of: base,
                bar: place.isQuick ? nil : 1.3, below: true)
        }
        let starts = try PairedDaemons.starts(place, states[0], states[1])
        let daemons = try PairedDaemons(place, states[0], states[1])
        defer { daemons.stop() }
        let scale = place.isQuick ? 1 : 10
        let tasks = sizes.map { size in
            (0..<1_000).map { HTTPText.request("GET", "/v1/tasks/\(SeededDatabase.id(($0 * 7_919) % size + 1))") }
        }
        let page = HTTPText.request("GET", "/v1/tasks?limit=50")
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        let ofTask = try daemons.latencies(500 * scale) { tasks[$0 ? 1 : 0][$1 % 1_000] }
        let ofPage = try daemons.latencies(50 * scale) { _, _ in page }
        add("submit", try daemons.latencies(200 * scale, expecting: "HTTP/1.1 201") { _, _ in submit }, " µs")
        add("task by id", ofTask, " µs")
        add("page of 50", ofPage, " µs")
        add("start", starts, " s")
    }
}
