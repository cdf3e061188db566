import Foundation
import Glibc
import Synchronization

/// Measures the cost of many event streams, each filtered by its own label.
struct StreamBenchmarks {
    let place: Place
    let report: Report

    private static let clients = 1_000
    private static let perSecond = 5_000
    /// The number of tasks per request; each is an event.
    private static let perRequest = 250

    private struct Outcome {
        /// The events that clients received per second, and those that were committed.
        let delivered: Double
        let committed: Double
        /// The processors that the daemon used.
        let processors: Double
        let megabytes: Double
    }

    func run() throws {
        try raiseFileLimit()
        let seconds = place.isQuick ? 4 : 20
        let alone = try measure("alone", clients: 0, seconds: seconds)
        let followed = try measure("followed", clients: Self.clients, seconds: seconds) { try waking($0, $1) }
        report.add(
            "streams: 1,000 clients, events delivered", followed.delivered, "/s", limit: Double(Self.perSecond),
            of: "events submitted", bar: 0.99)
        report.add(
            "streams: 1,000 clients, peak memory of the daemon", followed.megabytes, " MiB", bar: 100, below: true)
        report.add(
            "streams: 1,000 clients, processors of the daemon", followed.processors, "", limit: alone.processors,
            of: "the same submits without clients")
        report.add("streams: the same submits without clients", alone.committed, "/s")
        try catchUp()
    }

    /// Submits at a steady rate, in requests of many lines, while the clients read.
    private func measure(
        _ name: String, clients: Int, seconds: Int, then: (DaemonProcess, [Int32]) throws -> Void = { _, _ in }
    ) throws -> Outcome {
        // The daemon has no token, so it sends nothing.
        let daemon = try DaemonProcess(
            place, state: try place.directory("streams-\(name)"), baseURL: "http://127.0.0.1:9/v1", token: false)
        defer { daemon.server.stop() }
        let followers = try (0..<clients).map { try follower(of: daemon, "?label=client:\($0)") }
        defer { for fd in followers { close(fd) } }
        let reader = EventReader(followers)
        reader.start()
        let submitter = try RawSocket.unix(daemon.socket)
        defer { close(submitter) }
        let before = daemon.server.processorSeconds
        let start = Clock.nanoseconds
        let count = seconds * Self.perSecond
        for first in stride(from: 0, to: count, by: Self.perRequest) {
            try submit(first, on: submitter)
            let due = start + UInt64((first + Self.perRequest) * 1_000_000_000 / Self.perSecond)
            if due > Clock.nanoseconds { usleep(UInt32((due - Clock.nanoseconds) / 1_000)) }
        }
        let submitted = Double(Clock.nanoseconds - start) / 1e9
        if clients > 0 { reader.wait(for: count) }
        let delivered = Double(Clock.nanoseconds - start) / 1e9
        let processors = (daemon.server.processorSeconds - before) / delivered
        reader.stop()
        guard clients == 0 || reader.count == count else {
            throw BenchmarkError("\(reader.count) of \(count) events came")
        }
        let megabytes = daemon.server.peakMegabytes
        try then(daemon, followers)
        return Outcome(
            delivered: Double(count) / delivered, committed: Double(count) / submitted, processors: processors,
            megabytes: megabytes)
    }

    /// Connects a client and waits until it has caught up.
    private func follower(of daemon: DaemonProcess, _ query: String) throws -> Int32 {
        let fd = try RawSocket.unix(daemon.socket)
        let request = Array(
            "GET /v1/events\(query) HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".utf8)
        guard write(fd, request, request.count) == request.count else { throw BenchmarkError("a stream broke off") }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 12)
        while !String(decoding: answer, as: UTF8.self).contains("caught_up") {
            let size = read(fd, &buffer, buffer.count)
            guard size > 0 else { throw BenchmarkError("a stream was refused") }
            answer += buffer[..<size]
        }
        return fd
    }

    private func submit(_ first: Int, on fd: Int32) throws {
        let lines = (first..<(first + Self.perRequest)).map { number in
            #"{"endpoint":"flux/images","request":{"n":\#(number)},"labels":{"client":"\#(number % Self.clients)"}}"#
        }
        let request = HTTPText.request(
            "POST", "/v1/tasks", lines.joined(separator: "\n"), type: "application/x-ndjson")
        var rest = request[...]
        while !rest.isEmpty {
            let size = rest.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
            guard size > 0 else { throw BenchmarkError("a submission broke off") }
            rest = rest.dropFirst(size)
        }
        var end: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while !end.elementsEqual("0\r\n\r\n".utf8) {
            let size = read(fd, &buffer, buffer.count)
            guard size > 0 else { throw BenchmarkError("a submission was not answered") }
            end = Array((end + buffer[..<size].suffix(5)).suffix(5))
        }
    }

    /// Measures the time from the submit to the event at one of the clients.
    private func waking(_ daemon: DaemonProcess, _ followers: [Int32]) throws {
        let submitter = try RawSocket.unix(daemon.socket)
        defer { close(submitter) }
        var samples: [UInt64] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        for number in 0..<200 {
            let client = number * 4
            let request = HTTPText.request(
                "POST", "/v1/tasks",
                #"{"endpoint":"flux/images","request":{},"labels":{"client":"\#(client)"}}"#)
            let start = Clock.nanoseconds
            guard write(submitter, request, request.count) == request.count,
                read(followers[client], &buffer, buffer.count) > 0
            else { throw BenchmarkError("a stream broke off") }
            samples.append(Clock.nanoseconds - start)
            _ = read(submitter, &buffer, buffer.count)
        }
        let latencies = Latencies(samples)
        report.add(
            "streams: from submit to the client's event, p50", latencies.quantile(0.5), " µs", note: latencies.words)
    }

    /// Measures how fast one client reads stored events.
    private func catchUp() throws {
        let daemon = try DaemonProcess(
            place, state: try place.directory("streams-stored"), baseURL: "http://127.0.0.1:9/v1", token: false)
        defer { daemon.server.stop() }
        let submitter = try RawSocket.unix(daemon.socket)
        defer { close(submitter) }
        let count = place.isQuick ? 5_000 : 50_000
        for first in stride(from: 0, to: count, by: Self.perRequest) { try submit(first, on: submitter) }
        for (name, query, expected) in [
            ("all of it", "?after=0", count), ("one label of 1,000", "?after=0&label=client:7", count / Self.clients),
        ] {
            let fd = try RawSocket.unix(daemon.socket)
            defer { close(fd) }
            let request = Array(
                "GET /v1/events\(query) HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".utf8)
            let reader = EventReader([fd])
            reader.start()
            let seconds = Clock.seconds {
                _ = write(fd, request, request.count)
                reader.wait(for: expected)
            }
            reader.stop()
            report.add("streams: stored events read, \(name)", Double(count) / seconds, "/s")
        }
    }

    private func raiseFileLimit() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 4_096))
        guard limit.rlim_cur >= 2_000, setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw BenchmarkError("too few files may be open for \(Self.clients) clients (ulimit -n)")
        }
    }
}

/// Reads many streams of lines on one thread and counts their events.
private final class EventReader: Sendable {
    private let files: [Int32]
    private let events = Atomic(0)
    private let isOver = Atomic(false)
    private let hasEnded = Atomic(false)

    init(_ files: [Int32]) {
        self.files = files
    }

    var count: Int { events.load(ordering: .relaxed) }

    func start() {
        Thread.detachNewThread { [self] in
            read()
            hasEnded.store(true, ordering: .releasing)
        }
    }

    /// Returns after this many events, or after 10 s without one.
    func wait(for count: Int) {
        var (latest, since) = (self.count, Clock.nanoseconds)
        while self.count < count, Clock.nanoseconds - since < 10_000_000_000 {
            usleep(500)
            if self.count != latest { (latest, since) = (self.count, Clock.nanoseconds) }
        }
    }

    func stop() {
        isOver.store(true, ordering: .relaxed)
        while !hasEnded.load(ordering: .acquiring) { usleep(1_000) }
    }

    private func read() {
        var watched = files.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // The number of closing braces at the end of each stream's data. An event ends with two and a line break.
        var braces = [Int](repeating: 0, count: files.count)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !isOver.load(ordering: .relaxed) {
            guard !watched.isEmpty, poll(&watched, nfds_t(watched.count), 20) > 0 else {
                if watched.isEmpty { usleep(20_000) }
                continue
            }
            for index in watched.indices where watched[index].revents != 0 {
                let size = Glibc.read(watched[index].fd, &buffer, buffer.count)
                guard size > 0 else { return }
                var found = 0
                for byte in buffer[..<size] {
                    if byte == UInt8(ascii: "}") {
                        braces[index] += 1
                    } else {
                        if byte == UInt8(ascii: "\n"), braces[index] > 1 { found += 1 }
                        braces[index] = 0
                    }
                }
                events.add(found, ordering: .relaxed)
            }
        }
    }
}
