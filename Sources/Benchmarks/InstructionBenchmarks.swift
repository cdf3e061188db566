import Foundation
import Glibc
import TaskModel

/// Counts the daemon's instructions for a submit and a poll, with valgrind's callgrind.
///
/// They do not depend on other load of the machine. Instructions of the kernel are not counted.
struct InstructionBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        let name = "instructions per submit and per poll"
        guard FileManager.default.isExecutableFile(atPath: Callgrind.path) else {
            return report.skip(name, "no valgrind (Debian: valgrind)")
        }
        #if DEBUG
            // Valgrind 3.19 can neither read its debugging symbols nor run the shared libraries of Swift.
            report.skip(name, "valgrind cannot run a debug build")
        #else
            try submits(place.isQuick ? 50 : 2_000)
            try polls(place.isQuick ? 200 : 4_000)
        #endif
    }

    private func submits(_ count: Int) throws {
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        func instructions(_ count: Int) throws -> Double {
            let counter = Callgrind(try place.directory("submits-\(count)"))
            // The daemon has no token, so it sends nothing.
            let daemon = try DaemonProcess(
                place, state: counter.directory, baseURL: "http://127.0.0.1:9/v1", token: false, under: counter)
            // With one client, each submit has its own commit.
            let outcome = try daemon.client(1, expecting: "HTTP/1.1 201").run(count) { _ in submit }
            guard outcome.refused == 0 else { throw BenchmarkError("\(outcome.refused) submissions were refused") }
            daemon.server.stop()
            return try counter.instructions()
        }
        // The first requests also load code and open connections to the database.
        let few = count / 5
        report.add(
            "instructions: durable submit, alone in its commit",
            (try instructions(count + few) - instructions(few)) / Double(count), "")
    }

    private func polls(_ count: Int) throws {
        func instructions(_ count: Int) throws -> (all: Double, provider: (queries: Int, tasks: Int)) {
            let counter = Callgrind(try place.directory("polls-\(count)"))
            try SeededDatabase.make(
                counter.directory + "/pollux.sqlite", tasks: count, kinds: 1, now: Timestamp(Date()), scattered: false)
            let provider = try LocalProvider()
            defer { provider.stop() }
            let daemon = try DaemonProcess(
                place, state: counter.directory, baseURL: "http://127.0.0.1:\(provider.port)/v1", under: counter)
            // All are due within a minute after their creation. Then each is polled at its own time.
            guard provider.wait(untilAskedAbout: count, within: 400) else {
                throw BenchmarkError("the daemon asked about \(provider.counts.tasks) of \(count) tasks")
            }
            daemon.server.stop()
            return (try counter.instructions(), provider.counts)
        }
        let few = try instructions(count / 5)
        let many = try instructions(count + count / 5)
        let all = many.all - few.all
        report.add(
            "instructions: status query of up to 50 tasks",
            all / Double(max(many.provider.queries - few.provider.queries, 1)), "",
            note: "\(many.provider.queries) queries about \(many.provider.tasks) tasks")
        report.add(
            "instructions: poll of one task in such a query",
            all / Double(max(many.provider.tasks - few.provider.tasks, 1)), "")
    }
}

/// Runs a program under callgrind and reads the number of its instructions.
struct Callgrind {
    static let path = "/usr/bin/valgrind"
    /// The directory of the program's files too.
    let directory: String

    init(_ directory: String) { self.directory = directory }

    private var log: String { directory + "/callgrind.log" }

    /// The command before the program and its arguments.
    var command: [String] {
        [Self.path, "--tool=callgrind", "--callgrind-out-file=\(directory)/callgrind.out", "--log-file=\(log)"]
    }

    /// Reads the number of instructions. Call it after the program has ended.
    func instructions() throws -> Double {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        guard let found = text.firstMatch(of: /Collected\s*:\s*(\d+)/), let count = Double(found.1) else {
            throw BenchmarkError("callgrind counted nothing: \(text.suffix(500))")
        }
        return count
    }
}
