import Foundation
import Glibc
import Synchronization

/// Measures downloads of results from a server on this machine, beside bare loops that read the same bytes from it and write
/// them to files.
struct DownloadBenchmarks {
    let place: Place
    let report: Report

    /// As many as the daemon fetches from one host.
    private static let inParallel = 2
    /// 1 Gbit/s.
    private static let bar = 125.0

    private var count: Int { place.isQuick ? 4 : 24 }
    private var size: Int { (place.isQuick ? 16 : 64) << 20 }

    func run() throws {
        let server = try FileServer(size: size)
        defer { server.stop() }
        let bare = try bareLoop(server)
        report.add("downloads: bare loop of two connections, bytes to disk", bare, " MB/s")
        let (rate, processors) = try fetch(server)
        report.add("downloads: results of one host", rate, " MB/s", bar: Self.bar)
        report.add("downloads: the same, as a part of the bare loop", rate, " MB/s", limit: bare, of: "bare loop")
        report.add("downloads: processors of the daemon", processors, "")
    }

    private var megabytes: Double { Double(count * size) / 1e6 }

    /// Megabytes a second that threads read and write, until all are on disk.
    private func bareLoop(_ server: FileServer) throws -> Double {
        let directory = try place.directory("downloads-bare")
        let failed = Mutex(false)
        let done = DispatchGroup()
        let began = Clock.nanoseconds
        for thread in 0..<Self.inParallel {
            done.enter()
            Thread { [count, size] in
                defer { done.leave() }
                for number in stride(from: thread, to: count, by: Self.inParallel) {
                    let path = "\(directory)/\(number)"
                    do { try Self.copy(number, of: size, from: server.port, to: path) } catch {
                        failed.withLock { $0 = true }
                    }
                }
            }.start()
        }
        done.wait()
        let seconds = Double(Clock.nanoseconds - began) / 1e9
        try FileManager.default.removeItem(atPath: directory)
        guard !failed.withLock({ $0 }) else { throw BenchmarkError("a file was not copied") }
        return megabytes / seconds
    }

    private static func copy(_ number: Int, of size: Int, from port: UInt16, to path: String) throws {
        let source = try RawSocket.tcp(port)
        defer { close(source) }
        let request = HTTPText.request("GET", "/file/\(number)")
        guard request.withUnsafeBytes({ write(source, $0.baseAddress, $0.count) }) == request.count else {
            throw BenchmarkError("a request broke off")
        }
        let target = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw BenchmarkError("\(path) cannot be written") }
        defer { close(target) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var (head, rest): ([UInt8], Int?) = ([], nil)
        while rest != 0 {
            let count = read(source, &buffer, buffer.count)
            guard count > 0 else { throw BenchmarkError("a file broke off") }
            var bytes = buffer[..<count]
            if rest == nil {
                head += bytes
                guard let end = HTTPText.endOfHead(head) else { continue }
                bytes = head[end...]
                rest = size
            }
            guard bytes.withUnsafeBytes({ write(target, $0.baseAddress, $0.count) }) == bytes.count else {
                throw BenchmarkError("\(path) cannot be written")
            }
            rest = rest.map { $0 - bytes.count }
        }
        guard fdatasync(target) == 0 else { throw BenchmarkError("\(path) cannot be synced") }
    }

    /// Megabytes a second from the first request for a file until all are saved, and the processors that took.
    private func fetch(_ server: FileServer) throws -> (rate: Double, processors: Double) {
        let state = try place.directory("downloads")
        let definitions = state + "/providers"
        try FileManager.default.createDirectory(atPath: definitions, withIntermediateDirectories: true)
        try Data(server.definition.utf8).write(to: URL(filePath: definitions + "/files.yaml"))
        let settings = state + "/pollux.yaml"
        try Data("# Beside the definition.\n".utf8).write(to: URL(filePath: settings))
        let daemon = try DaemonProcess(
            place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false,
            settings: [
                "POLLUX_CONFIG": settings, "FILES_TOKEN": "benchmark", "POLLUX_ARTEFACTS_CAPTURE": "results",
                "POLLUX_ARTEFACTS_QUOTA": "64GiB", "POLLUX_ARTEFACTS_KEEP_FREE": "1MiB",
                "POLLUX_POLLING_MIN_GAP_SECONDS": "0.2",
            ])
        defer { daemon.server.stop() }
        server.forgetRequests()
        let lines = Array(repeating: #"{"endpoint":"files:clip","request":{}}"#, count: count).joined(separator: "\n")
        let outcome = try daemon.client(1).run(1) { _ in
            HTTPText.request("POST", "/v1/tasks", lines, type: "application/x-ndjson")
        }
        guard outcome.refused == 0 else { throw BenchmarkError("the daemon took no tasks") }
        let end = Clock.nanoseconds + 600_000_000_000
        while server.firstRequestAt == nil, Clock.nanoseconds < end { usleep(5_000) }
        guard let began = server.firstRequestAt else { throw BenchmarkError("no file was asked for") }
        let before = daemon.server.processorSeconds
        while try used(daemon) < count * size {
            guard Clock.nanoseconds < end else { throw BenchmarkError("not all files were saved") }
            usleep(20_000)
        }
        let seconds = Double(Clock.nanoseconds - began) / 1e9
        return (megabytes / seconds, (daemon.server.processorSeconds - before) / seconds)
    }

    /// The bytes of all saved files.
    private func used(_ daemon: DaemonProcess) throws -> Int {
        var answer = ""
        _ = try daemon.client(1).run(1, onAnswer: { answer = String(decoding: $0, as: UTF8.self) }) { _ in
            HTTPText.request("GET", "/v1/status")
        }
        return answer.firstMatch(of: /"used_bytes":(\d+)/).flatMap { Int($0.1) } ?? 0
    }
}

/// A provider whose tasks are done at once and whose results are large files, each with other contents.
private final class FileServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let size: Int
    private let first = Mutex<UInt64?>(nil)
    private let isStopped = Atomic(false)
    private let tasks = Atomic(0)
    private let block = [UInt8](repeating: 0x5A, count: 1 << 20)

    init(size: Int) throws {
        self.size = size
        (listener, port) = try RawSocket.listener()
        Thread { [self] in accept() }.start()
    }

    /// When a file was first asked for since ``forgetRequests()``.
    var firstRequestAt: UInt64? { first.withLock { $0 } }

    func forgetRequests() { first.withLock { $0 = nil } }

    var definition: String {
        """
        provider: files
        base_url: http://127.0.0.1:\(port)
        token: FILES_TOKEN
        max_requests_per_second: 1000
        endpoints:
          clip:
            submit: {path: /submit}
            accepted: {id: /id}
            poll: {path: "/poll/{id}", id: /id}
            state: [{at: /status, pending: [running], succeeded: [done], failed: [failed]}]
            results: [/url]
            typical_seconds: 1
            upper_seconds: 2
        """
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func accept() {
        defer { close(listener) }
        while !isStopped.load(ordering: .relaxed) {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            Thread { [self] in
                serve(client)
                close(client)
            }.start()
        }
    }

    private func serve(_ client: Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let size = read(client, &buffer, buffer.count)
            guard size > 0 else { return }
            bytes += buffer[..<size]
            while let head = HTTPText.endOfHead(bytes) {
                let end = head + (HTTPText.contentLength(bytes[..<head]) ?? 0)
                guard bytes.count >= end else { break }
                let words = String(decoding: bytes[..<head], as: UTF8.self).split(separator: " ")
                bytes.removeFirst(end)
                guard words.count > 1, answer(String(words[1]), on: client) else { return }
            }
        }
    }

    private func answer(_ path: String, on client: Int32) -> Bool {
        let parts = path.split(separator: "/").map(String.init)
        switch parts.first {
        case "submit":
            let number = tasks.add(1, ordering: .relaxed).newValue
            return send(HTTPText.response(Array(#"{"id":"\#(number)"}"#.utf8)), to: client)
        case "poll":
            let number = parts.last ?? ""
            let record = #"{"id":"\#(number)","status":"done","url":"http://127.0.0.1:\#(port)/file/\#(number)"}"#
            return send(HTTPText.response(Array(record.utf8)), to: client)
        default:
            first.withLock { $0 = $0 ?? Clock.nanoseconds }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: \(size)\r\n\r\n"
            // The first bytes differ between files, so each file becomes a separate object.
            let number = Array(((parts.last ?? "") + String(repeating: ".", count: 16)).utf8.prefix(16))
            guard send(Array(head.utf8) + number, to: client) else { return false }
            var rest = size - number.count
            while rest > 0 {
                guard send(block[..<min(rest, block.count)], to: client) else { return false }
                rest -= min(rest, block.count)
            }
            return true
        }
    }

    private func send(_ bytes: some ContiguousBytes, to client: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let count = Glibc.send(
                    client, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }
}
