import Foundation
import Glibc

/// A program that runs in parallel and is stopped when no longer needed.
final class ServerProcess {
    let process = Process()
    let startedAt: UInt64

    init(_ path: String, _ arguments: [String], environment: [String: String] = [:], output: FileHandle? = nil) throws {
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent"].merging(environment) { $1 }
        process.standardOutput = output ?? FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        startedAt = Clock.nanoseconds
        try Self.withSignals { try process.run() }
    }

    /// Runs the body with no signal blocked. The threads that run tasks block all signals, and a program that is
    /// started from one inherits that. Only SIGKILL would then stop it.
    private static func withSignals(_ body: () throws -> Void) throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    /// Waits until something succeeds; returns the time since the start.
    @discardableResult
    func ready(within seconds: Double = 60, _ isReady: () -> Bool) throws -> Double {
        while !isReady() {
            let spent = Double(Clock.nanoseconds - startedAt) / 1e9
            guard process.isRunning, spent < seconds else {
                throw BenchmarkError("\(process.executableURL?.lastPathComponent ?? "") did not start")
            }
            usleep(500)
        }
        return Double(Clock.nanoseconds - startedAt) / 1e9
    }

    /// Waits until the process has used no processor time for half a second, as a daemon after its check of the
    /// database.
    func waitUntilIdle() {
        var before = -1.0
        while process.isRunning, processorSeconds > before + 0.02 {
            before = processorSeconds
            usleep(500_000)
        }
    }

    /// Resident memory in MiB, as the kernel counts it.
    var residentMegabytes: Double { (kilobytes("VmRSS:") ?? .nan) / 1_024 }
    var peakMegabytes: Double { (kilobytes("VmHWM:") ?? .nan) / 1_024 }

    private func kilobytes(_ name: String) -> Double? {
        let text = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix(name) }
            .flatMap { Double($0.filter(\.isNumber)) }
    }

    /// Processor time so far, in seconds.
    var processorSeconds: Double {
        let text = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8)) ?? ""
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// The number of voluntary context switches of its threads per second, over that time.
    ///
    /// It is read four times a second, because a thread that ends takes its count with it.
    func voluntarySwitches(within seconds: Double) -> Double {
        let began = Clock.nanoseconds
        var (latest, sum, spent) = (switchesByThread, 0.0, 0.0)
        while spent < seconds {
            usleep(250_000)
            let now = switchesByThread
            for (thread, count) in now { sum += count - (latest[thread] ?? 0) }
            latest = now
            spent = Double(Clock.nanoseconds - began) / 1e9
        }
        return sum / spent
    }

    private var switchesByThread: [String: Double] {
        let tasks = "/proc/\(process.processIdentifier)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
        return threads.reduce(into: [:]) { counts, thread in
            let text = (try? String(contentsOfFile: "\(tasks)/\(thread)/status", encoding: .utf8)) ?? ""
            let found = text.firstMatch(of: /\nvoluntary_ctxt_switches:\s*(\d+)/)
            counts[thread] = found.flatMap { Double($0.1) }
        }
    }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    deinit { stop() }
}

/// A `pollux serve` with its own state directory.
struct DaemonProcess {
    let server: ServerProcess
    let socket: String
    /// Seconds until the first reply.
    let secondsToAnswer: Double

    /// `settings` precede the usual ones. `under` can run the daemon under an instruction counter.
    init(
        _ place: Place, state: String, baseURL: String, token: Bool = true, settings: [String: String] = [:],
        under counter: Callgrind? = nil
    ) throws {
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        let socket = state + "/pollux.sock"
        var environment = [
            "POLLUX_STATE_DIR": state, "POLLUX_SOCKET": socket, "POLLUX_CONFIG": "", "POLLUX_ARTEFACTS_CAPTURE": "off",
            "XHUOAPI_BASE_URL": baseURL,
            "POLLUX_LOG_LEVEL": "warning", "POLLUX_POLLING_MAX_REQUESTS_PER_SECOND": "10000",
        ]
        if token { environment["XHUOAPI_TOKEN"] = "benchmark" }
        let command = (counter?.command ?? []) + [place.pollux, "serve"]
        server = try ServerProcess(
            command[0], Array(command.dropFirst()), environment: environment.merging(settings) { $1 })
        let client = LoadGenerator(target: .unix(socket), framing: .http, connections: 1, expecting: "HTTP/1.1 200")
        secondsToAnswer = try server.ready(within: counter == nil ? 60 : 400) {
            guard let fd = try? client.connected() else { return false }
            close(fd)
            let answer = try? client.run(1) { _ in HTTPText.request("GET", "/v1/tasks?limit=1") }
            return answer?.refused == 0
        }
        self.socket = socket
    }

    func client(_ connections: Int, expecting: String = "HTTP/1.1 200") -> LoadGenerator {
        LoadGenerator(target: .unix(socket), framing: .http, connections: connections, expecting: expecting)
    }
}

/// The paths of a run.
struct Place {
    /// The binary under test.
    let pollux: String
    /// This program, which also runs the bare servers.
    let benchmarks: String
    /// The directory that is removed at the end.
    let scratch: String
    let isQuick: Bool

    func directory(_ name: String) throws -> String {
        let path = scratch + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}
