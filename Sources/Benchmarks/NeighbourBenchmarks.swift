import Foundation
import Glibc

/// Measures other queues for durable work, if they are installed. The report names their guarantees beside the figures.
struct NeighbourBenchmarks {
    let place: Place
    let report: Report

    private let body =
        #"{"endpoint":"kling/videos","request":{"action":"text2video","prompt":"A paper boat crosses a puddle, seen from above"}}"#

    func run() throws {
        try beanstalkd()
        try redis()
        try python()
    }

    private func beanstalkd() throws {
        guard let path = Self.find("beanstalkd") else {
            return report.skip("beanstalkd", "not installed (Debian: beanstalkd)")
        }
        let port = try RawSocket.freePort()
        let directory = try place.directory("beanstalkd")
        let server = try ServerProcess(
            path, ["-l", "127.0.0.1", "-p", "\(port)", "-b", directory, "-f", "0", "-s", "104857600"])
        defer { server.stop() }
        let request = Array("put 0 0 60 \(body.utf8.count)\r\n\(body)\r\n".utf8)
        try measure(
            "beanstalkd -f 0, put", server, port: port, expecting: "INSERTED", request: request,
            promise: "fsync of its log before each reply; no keys, no log of what happened, no provider")
    }

    private func redis() throws {
        guard let path = Self.find("redis-server") else {
            return report.skip("Redis", "not installed (Debian: redis-server)")
        }
        let port = try RawSocket.freePort()
        let directory = try place.directory("redis")
        let server = try ServerProcess(
            path,
            [
                "--port", "\(port)", "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "yes",
                "--appendfsync", "always",
            ])
        defer { server.stop() }
        let parts = ["RPUSH", "queue", body]
        let request = Array(
            ("*3\r\n" + parts.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()).utf8)
        try measure(
            "Redis appendfsync always, RPUSH", server, port: port, expecting: ":", request: request,
            promise:
                "fsync before replies, shared by clients that meet; a list in memory, one value, no index, no state")
    }

    private func measure(
        _ name: String, _ server: ServerProcess, port: UInt16, expecting: String, request: [UInt8], promise: String
    ) throws {
        for clients in [1, 64] {
            let load = LoadGenerator(
                target: .tcp(port: port), framing: .line, connections: clients, expecting: expecting)
            try server.ready {
                guard let fd = try? load.connected() else { return false }
                close(fd)
                return true
            }
            let outcome = try load.run(place.isQuick ? 4_000 : 30_000) { _ in request }
            report.add("beside us: \(name), \(clients) client(s)", outcome, limit: nil, of: "", promise: promise)
        }
    }

    /// Measures libraries and the provider's client with scripts/benchmark-neighbours.py, which prints a line of JSON
    /// per figure.
    private func python() throws {
        let venv = ProcessInfo.processInfo.environment["POLLUX_BENCHMARK_PYTHON"] ?? ""
        guard FileManager.default.isExecutableFile(atPath: venv) else {
            return report.skip("litequeue, huey, acedatacloud", "no Python environment with them")
        }
        let pipe = Pipe()
        let script = try ServerProcess(
            venv,
            [
                "scripts/benchmark-neighbours.py", try place.directory("python"), place.pollux,
                place.isQuick ? "quick" : "full",
            ], output: pipe.fileHandleForWriting)
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        script.process.waitUntilExit()
        for line in text.split(separator: "\n") {
            guard let figure = try? JSONDecoder().decode(Figure.self, from: Data(line.utf8)) else { continue }
            if let value = figure.value {
                report.add("beside us: \(figure.name)", value, figure.unit ?? "", note: figure.note)
            } else {
                report.skip(figure.name, figure.note)
            }
        }
    }

    private struct Figure: Decodable {
        let name: String
        let value: Double?
        let unit: String?
        let note: String
    }

    private static func find(_ name: String) -> String? {
        ["/usr/bin/", "/usr/sbin/", "/usr/local/bin/"].map { $0 + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
