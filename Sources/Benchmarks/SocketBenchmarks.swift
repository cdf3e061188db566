import Foundation
import Glibc

/// Measures the requests of programs on the socket, each beside its bare limit.
struct SocketBenchmarks {
    let place: Place
    let report: Report

    /// A submission.
    static let body =
        #"{"endpoint":"kling/videos","request":{"action":"text2video","prompt":"A paper boat crosses a puddle, seen from above"}}"#

    func run() throws {
        let scale = place.isQuick ? 1 : 8
        let database = try BareDatabase(try place.directory("bare") + "/bare.sqlite")
        let single = try database.singleRows(4_000 * scale, body: Self.body)
        let plain = try database.batchedRows(20_000 * scale, body: Self.body)
        let tasks = try database.batchedTasks(5_000 * scale, body: Self.body)
        report.add("bare: SQLite, one plain row per commit", single, "/s")
        report.add("bare: SQLite, 100 plain rows per commit", plain, "/s")
        report.add("bare: SQLite, 100 tasks per commit in our tables", tasks, "/s")

        let (echoOne, echoMany) = try echo(scale)
        // The daemon has no token, so it sends nothing. This measures the path to the disk.
        let daemon = try DaemonProcess(
            place, state: try place.directory("socket"), baseURL: "http://127.0.0.1:9/v1", token: false)
        defer { daemon.server.stop() }
        let submit = HTTPText.request("POST", "/v1/tasks", Self.body)
        for (clients, limit) in [(1, echoOne), (64, echoMany)] {
            let outcome = try daemon.client(clients, expecting: "HTTP/1.1 201").run(2_000 * scale) { _ in submit }
            report.add(
                "durable submits, \(clients) client(s)", outcome, limit: limit, of: "echo route",
                bar: clients == 64 ? 0.35 : nil)
        }
        try bulk(daemon, lines: 5_000 * scale, plain: plain, tasks: tasks)
        try reads(daemon, scale: scale, echoOne: echoOne, echoMany: echoMany)
        try waking(daemon, times: 25 * scale)
        report.add("resident memory after all that", daemon.server.residentMegabytes, " MiB")
    }

    private func echo(_ scale: Int) throws -> (one: Double, many: Double) {
        let socket = try place.directory("echo") + "/echo.sock"
        let server = try ServerProcess(place.benchmarks, ["bare-server", socket])
        defer { server.stop() }
        let one = LoadGenerator(target: .unix(socket), framing: .http, connections: 1, expecting: "HTTP/1.1 200")
        try server.ready {
            guard let fd = try? one.connected() else { return false }
            close(fd)
            return true
        }
        let request = HTTPText.request("POST", "/echo", Self.body)
        let many = LoadGenerator(target: .unix(socket), framing: .http, connections: 64, expecting: "HTTP/1.1 200")
        _ = try many.run(2_000) { _ in request }
        let serial = try one.run(4_000 * scale) { _ in request }
        let parallel = try many.run(10_000 * scale) { _ in request }
        report.add("bare: echo route, 1 client", serial, limit: nil, of: "")
        report.add("bare: echo route, 64 clients", parallel, limit: nil, of: "")
        return (serial.perSecond, parallel.perSecond)
    }

    private func bulk(_ daemon: DaemonProcess, lines: Int, plain: Double, tasks: Double) throws {
        let text = String(repeating: Self.body + "\n", count: lines)
        let request = HTTPText.request("POST", "/v1/tasks", text, type: "application/x-ndjson")
        let fd = try RawSocket.unix(daemon.socket)
        defer { close(fd) }
        let start = Clock.nanoseconds
        // A separate thread sends, so that replies are read meanwhile.
        let sender = Thread {
            var rest = request[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(fd, $0.baseAddress, min($0.count, 1 << 16)) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
        sender.start()
        var answered = -1  // The head of the answer ends with an empty line, which is counted below.
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var head = true
        while answered < lines {
            let size = read(fd, &buffer, buffer.count)
            guard size > 0 else { throw BenchmarkError("the bulk submission broke off") }
            if head {
                guard buffer.starts(with: "HTTP/1.1 200".utf8) else { throw BenchmarkError("bulk was refused") }
                head = false
                answered = 0
            }
            // Every reply has its task's id once under this name, at the beginning of its line.
            answered += Self.occurrences(of: Array("{\"id\":".utf8), in: buffer[..<size])
        }
        let rate = Double(lines) / (Double(Clock.nanoseconds - start) / 1e9)
        report.add("bulk submit, NDJSON", rate, "/s", limit: tasks, of: "100 tasks per commit, our tables", bar: 0.5)
        report.add("bulk submit, against plain rows", rate, "/s", limit: plain, of: "100 plain rows per commit")
    }

    private static func occurrences(of word: [UInt8], in bytes: ArraySlice<UInt8>) -> Int {
        var count = 0
        var index = bytes.startIndex
        while index + word.count <= bytes.endIndex {
            if bytes[index] == word[0], bytes[index..<(index + word.count)].elementsEqual(word) { count += 1 }
            index += 1
        }
        return count
    }

    private func reads(_ daemon: DaemonProcess, scale: Int, echoOne: Double, echoMany: Double) throws {
        let ids = try self.ids(daemon, count: 200)
        let requests = ids.map { HTTPText.request("GET", "/v1/tasks/\($0)") }
        for (clients, limit) in [(1, echoOne), (64, echoMany)] {
            let outcome = try daemon.client(clients).run(3_000 * scale) { requests[$0 % requests.count] }
            report.add(
                "task by id, \(clients) client(s)", outcome, limit: limit, of: "echo route",
                bar: clients == 64 ? 0.6 : nil)
        }
        let page = HTTPText.request("GET", "/v1/tasks?limit=50")
        let pages = try daemon.client(8).run(200 * scale) { _ in page }
        report.add("list, a page of 50, 8 clients", pages, limit: nil, of: "")
    }

    /// The ids of the latest tasks.
    private func ids(_ daemon: DaemonProcess, count: Int) throws -> [String] {
        var text = ""
        _ = try daemon.client(1).run(1, onAnswer: { text = String(decoding: $0, as: UTF8.self) }) { _ in
            HTTPText.request("GET", "/v1/tasks?limit=\(count)")
        }
        let ids = text.split(separator: "{\"id\":\"").dropFirst().map { String($0.prefix(36)) }
        guard ids.count == count else { throw BenchmarkError("the list has \(ids.count) tasks") }
        return ids
    }

    /// The time from the cancellation of a task to the reply of a request that waits for its end.
    private func waking(_ daemon: DaemonProcess, times: Int) throws {
        var samples: [UInt64] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let waiter = try RawSocket.unix(daemon.socket)
        let ender = try RawSocket.unix(daemon.socket)
        defer {
            close(waiter)
            close(ender)
        }
        for id in try ids(daemon, count: times) {
            let wait = HTTPText.request("GET", "/v1/tasks/\(id)?wait_seconds=60")
            guard write(waiter, wait, wait.count) == wait.count else { throw BenchmarkError("the wait broke off") }
            usleep(3_000)  // Until it waits.
            let cancel = HTTPText.request("POST", "/v1/tasks/\(id)/cancel", "")
            let start = Clock.nanoseconds
            guard write(ender, cancel, cancel.count) == cancel.count, read(waiter, &buffer, buffer.count) > 0 else {
                throw BenchmarkError("the wait broke off")
            }
            samples.append(Clock.nanoseconds - start)
            _ = read(ender, &buffer, buffer.count)
        }
        let latencies = Latencies(samples)
        report.add(
            "long-poll: from cancel to the waiter's answer, p50", latencies.quantile(0.5), " µs", note: latencies.words)
    }
}
