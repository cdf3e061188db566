import Foundation
import Glibc

/// Measures how often the threads of an idle daemon wake.
struct IdleBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        try measure("idle: wake-ups", waiting: 0)
        let waiting = place.isQuick ? 1_000 : 100_000
        try measure("idle: wake-ups with \(waiting.formatted()) waiting tasks", waiting: waiting)
    }

    private func measure(_ name: String, waiting: Int) throws {
        let state = try place.directory("idle-\(waiting)")
        // The daemon has no token, so tasks wait in the queue.
        let daemon = try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:9/v1", token: waiting == 0)
        defer { daemon.server.stop() }
        if waiting > 0 {
            let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
            let outcome = try daemon.client(64, expecting: "HTTP/1.1 201").run(waiting) { _ in submit }
            guard outcome.refused == 0 else { throw BenchmarkError("\(outcome.refused) submissions were refused") }
        }
        // The first sweep of retention begins a minute after the start, so the minute after that is counted.
        usleep(place.isQuick ? 8_000_000 : 75_000_000)
        report.add(
            name, daemon.server.voluntarySwitches(within: place.isQuick ? 6 : 60), "/s", bar: 2, below: true)
    }
}
