import Foundation
import Glibc
import TaskModel

/// Measures the start of a daemon with many running tasks.
struct StartBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        let sizes = place.isQuick ? [1_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
        for size in sizes { try start(size) }
        try idle()
    }

    private func start(_ size: Int) throws {
        let state = try place.directory("start-\(size)")
        let path = state + "/pollux.sqlite"
        try SeededDatabase.make(path, tasks: size, kinds: 20, now: Timestamp(Date()))
        let (listener, port) = try RawSocket.listener()
        defer { close(listener) }
        let began = Clock.nanoseconds
        let firstPoll = FirstVisit(listener)
        let daemon = try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:\(port)/v1")
        defer { daemon.server.stop() }
        let words = "\(size.formatted()) running tasks"
        let isLargest = size == 1_000_000
        report.add(
            "start with \(words): first answer", daemon.secondsToAnswer, " s", bar: isLargest ? 1 : nil, below: true)
        let polled = Double(try firstPoll.wait() - began) / 1e9
        report.add("start with \(words): first poll", polled, " s", bar: isLargest ? 2 : nil, below: true)
        usleep(2_000_000)
        report.add(
            "start with \(words): resident memory", daemon.server.residentMegabytes, " MiB", bar: isLargest ? 200 : nil,
            below: true)
        report.add("database of \(words)", Double(Self.size(of: path)) / 1_048_576, " MiB")
        report.plot("first answer", at: size, daemon.secondsToAnswer, in: .start)
        report.plot("first poll", at: size, polled, in: .start)
    }

    private func idle() throws {
        let daemon = try DaemonProcess(place, state: try place.directory("idle"), baseURL: "http://127.0.0.1:9/v1")
        defer { daemon.server.stop() }
        report.add("start with no task: first answer", daemon.secondsToAnswer, " s")
        let before = daemon.server.processorSeconds
        usleep(3_000_000)
        report.add("idle: resident memory", daemon.server.residentMegabytes, " MiB", bar: 50, below: true)
        report.add("idle: processor time", (daemon.server.processorSeconds - before) / 3 * 100, " %")
    }

    private static func size(of path: String) -> UInt64 {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64) ?? 0
    }
}

/// The time of the first connection to a listener, which is never answered.
private struct FirstVisit {
    private let listener: Int32

    init(_ listener: Int32) { self.listener = listener }

    /// The kernel accepts the connection by itself; this waits until there is one.
    func wait() throws -> UInt64 {
        var poll = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, 30_000) == 1 else { throw BenchmarkError("no poll within 30 s") }
        return Clock.nanoseconds
    }
}
