import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// Measures deliveries of notifications to a receiver on this machine, beside a bare client that posts as much to it.
struct NotificationBenchmarks {
    let place: Place
    let report: Report

    /// As many as a destination has.
    private static let inFlight = 16
    /// Tasks of one request; each is an event.
    private static let perRequest = 250
    private static let bar = 1_000.0

    func run() async throws {
        let receiver = try LocalProvider { _ in (Array("{}".utf8), 1) }
        defer { receiver.stop() }
        let url = "http://127.0.0.1:\(receiver.port)/hook"
        let count = place.isQuick ? 2_000 : 20_000
        let bare = try await bareLoop(to: url, count: count)
        report.add("notifications: bare client loop to the same receiver", bare, "/s")
        for destinations in [1, 3] {
            let rate = try deliveries(of: count, to: url, receiver, destinations: destinations)
            let words = destinations == 1 ? "one destination" : "\(destinations) destinations"
            report.add("notifications: deliveries to \(words)", rate, "/s", bar: Self.bar)
            report.add(
                "notifications: the same, as a part of the bare loop, \(words)", rate, "/s", limit: bare,
                of: "bare loop")
        }
    }

    private func bareLoop(to url: String, count: Int) async throws -> Double {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.inFlight
        configuration.httpVersion = .http1Only
        let client = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
        // About the size of a task without its request.
        let body = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1_200)
        let began = Clock.nanoseconds
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.inFlight {
                group.addTask {
                    for _ in 0..<(count / Self.inFlight) {
                        var request = HTTPClientRequest(url: url)
                        request.method = .POST
                        request.headers.add(name: "Content-Type", value: "application/json")
                        request.body = .bytes(body)
                        let answer = try await client.execute(request, timeout: .seconds(10))
                        _ = try await answer.body.collect(upTo: 1 << 10)
                    }
                }
            }
            try await group.waitForAll()
        }
        let seconds = Double(Clock.nanoseconds - began) / 1e9
        try await client.shutdown()
        return Double(count / Self.inFlight * Self.inFlight) / seconds
    }

    /// Deliveries a second of events that are all in the log already, to as many destinations.
    private func deliveries(of count: Int, to url: String, _ receiver: LocalProvider, destinations: Int) throws
        -> Double
    {
        let state = try place.directory("notifications-\(destinations)")
        let (settings, secret) = (state + "/pollux.yaml", state + "/secret")
        try Data("# Destinations come later.\n".utf8).write(to: URL(filePath: settings))
        // Without a token nothing is sent to a provider.
        let daemon = try DaemonProcess(
            place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false, settings: ["POLLUX_CONFIG": settings])
        defer { daemon.server.stop() }
        try submit(count, to: daemon)
        try Data("a secret of thirty-two characters\n".utf8).write(to: URL(filePath: secret))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: secret)
        let names = (1...destinations).map { "hook\($0)" }
        let lines = names.map { "    \($0): {url: \"\(url)\", events: [task.queued], secret_file: \(secret)}\n" }
        try Data(("notifications:\n  destinations:\n" + lines.joined()).utf8).write(to: URL(filePath: settings))
        try post("/v1/reload", nil, to: daemon)
        let before = receiver.counts.queries
        let began = Clock.nanoseconds
        for name in names {
            try post("/v1/notifications/\(name)/replay", #"{"since":"2000-01-01T00:00:00Z"}"#, to: daemon)
        }
        let expected = count * destinations
        guard receiver.wait(untilAskedAbout: before + expected, within: 600) else {
            throw BenchmarkError("\(receiver.counts.queries - before) of \(expected) notifications came")
        }
        return Double(expected) / (Double(Clock.nanoseconds - began) / 1e9)
    }

    private func submit(_ count: Int, to daemon: DaemonProcess) throws {
        let line = #"{"endpoint":"flux/images","request":{"prompt":"a fox"},"labels":{"team":"film"}}"#
        let lines = Array(repeating: line, count: Self.perRequest).joined(separator: "\n")
        let outcome = try daemon.client(1).run(count / Self.perRequest) { _ in
            HTTPText.request("POST", "/v1/tasks", lines, type: "application/x-ndjson")
        }
        guard outcome.refused == 0 else { throw BenchmarkError("the daemon took no tasks") }
    }

    private func post(_ path: String, _ body: String?, to daemon: DaemonProcess) throws {
        let outcome = try daemon.client(1).run(1) { _ in HTTPText.request("POST", path, body ?? "{}") }
        guard outcome.refused == 0 else { throw BenchmarkError("\(path) was refused") }
    }
}
