import Foundation
import Glibc
import Synchronization
import VerbatimJSON

/// A daemon process that a test can start, kill and restart on the same state directory.
final class RunningDaemon: Sendable {
    let directory: String
    let stateDirectory: String
    let socketPath: String
    /// The environment of every start.
    let environment: [String: String]
    /// Where it runs, if not on the machine of the test.
    private let host: TestHost?
    /// The current process. Clients can wait for the next start.
    private let life = Watched<(process: ChildProcess?, isUp: Bool)>((nil, false))
    private let all = Mutex([ChildProcess]())

    init(directory: String, stateDirectory: String? = nil, environment: [String: String], on host: TestHost? = nil) {
        self.directory = directory
        self.host = host
        self.stateDirectory = stateDirectory ?? directory + "/state"
        socketPath = directory + "/run/pollux.sock"
        self.environment = [
            "PATH": "/usr/bin:/bin", "HOME": directory, "POLLUX_STATE_DIR": self.stateDirectory,
            "POLLUX_SOCKET": socketPath,
            // Tests of other things need no files, and some providers of tests name results on hosts that do not exist.
            "POLLUX_ARTEFACTS_CAPTURE": "off",
        ].merging(environment) { $1 }
    }

    /// The process of the latest start.
    var process: ChildProcess {
        guard let process = life.current.process else { preconditionFailure("The daemon was never started.") }
        return process
    }

    /// The logs of all its processes.
    var log: String { all.withLock { $0 }.map(\.errorText).joined(separator: "--- next start ---\n") }

    /// Starts the process without waiting. `changes` override the environment; nil removes a variable.
    @discardableResult
    func launch(_ changes: [String: String?] = [:], by manager: ServiceManagerStandIn? = nil) throws -> ChildProcess {
        var environment = environment
        for (name, value) in changes { environment[name] = value }
        let process =
            try manager.map { try $0.start(["serve"], environment: environment) }
            ?? host.map { try $0.launch(["serve"], environment: environment) }
            ?? ChildProcess(["serve"], environment: environment)
        all.withLock { $0.append(process) }
        life.change { $0 = (process, false) }
        return process
    }

    /// Starts the daemon and waits until its socket accepts connections.
    func start(_ changes: [String: String?] = [:], by manager: ServiceManagerStandIn? = nil) async throws {
        try launch(changes, by: manager)
        try await becomeReady()
    }

    /// Waits until the socket accepts connections.
    func becomeReady(within seconds: Double = Double(patience)) async throws {
        let process = process
        try await process.logged("listens on", within: seconds)
        life.change { $0 = (process, true) }
    }

    /// Kills the process like a power failure.
    func kill9() async throws {
        life.change { $0.isUp = false }
        process.send(SIGKILL)
        _ = try await process.exit()
    }

    /// Stops the process like a service manager. Returns how it ended.
    func stop(within seconds: Double = Double(patience)) async throws -> ChildProcess.Exit {
        life.change { $0.isUp = false }
        process.send(SIGTERM)
        return try await process.exit(within: seconds)
    }

    /// Returns once a start has succeeded.
    func whenUp(within seconds: Double = Double(patience)) async throws {
        try await life.wait(for: "A running daemon", within: seconds) { $0.isUp ? true : nil }
    }

    func destroy() async {
        for process in all.withLock({ $0 }) { await process.destroy() }
    }
}

// MARK: Requests

extension RunningDaemon {
    /// Connects to its socket.
    func connect(seconds: Int = patience) throws -> Connection {
        try Connection(socketPath: socketPath, seconds: seconds)
    }

    /// Sends one request over a new connection.
    func ask(
        _ method: String, _ target: String, _ body: String? = nil, headers: [String: String] = [:],
        seconds: Int = patience
    ) async throws -> Reply {
        try await onThread { [self] in
            let connection = try connect(seconds: seconds)
            var text = "\(method) \(target) HTTP/1.1\r\nHost: pollux\r\n"
            for (name, value) in headers { text += "\(name): \(value)\r\n" }
            if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
            try connection.write(text + "\r\n")
            // The daemon may reject a large body and close before all of it is sent.
            do { try connection.write(body ?? "") } catch is Connection.Closed {}
            return try connection.reply()
        }
    }

    func ask(_ method: String, _ target: String, json: JSONValue, headers: [String: String] = [:]) async throws -> Reply
    {
        try await ask(method, target, json.text, headers: headers)
    }

    /// Repeats an idempotent request until a daemon responds, across restarts.
    func persistently(
        _ method: String, _ target: String, json: JSONValue? = nil, seconds: Int = patience
    ) async throws -> Reply {
        let deadline = Date(timeIntervalSinceNow: Double(patience))
        while true {
            do {
                try await whenUp()
                return try await ask(method, target, json?.text, seconds: seconds)
            } catch let error as TooLate {
                throw error
            } catch {
                guard Date() < deadline else { throw error }
            }
        }
    }

    /// Submits a task and returns it. Expects status 201.
    func submit(
        _ endpoint: String, _ request: JSONValue, with members: [String: JSONValue] = [:]
    ) async throws -> JSONValue {
        let reply = try await ask("POST", "/v1/tasks", json: submission(endpoint, request, with: members))
        guard reply.status == 201 else { throw TooLate(description: "\(reply.status) instead of 201: \(reply.text)") }
        return try reply.json
    }

    func submission(_ endpoint: String, _ request: JSONValue, with members: [String: JSONValue] = [:]) -> JSONValue {
        var object = JSONObject([("endpoint", .string(endpoint)), ("request", request)])
        for (name, value) in members { object[name] = value }
        return .object(object)
    }

    func task(_ id: String) async throws -> JSONValue { try await ask("GET", "/v1/tasks/\(id)").json }

    /// Waits for the task's end and returns it.
    func ended(_ id: String, within seconds: Int = patience) async throws -> JSONValue {
        let task = try await persistently("GET", "/v1/tasks/\(id)?wait_seconds=\(seconds)", seconds: seconds + 10).json
        guard task.at("ended_at") != .null else {
            throw TooLate(description: "Task \(id) did not end within \(seconds) s: \(task.text)\n\(log)")
        }
        return task
    }

    /// The kinds of a task's events, in order.
    func kinds(of id: String) async throws -> [String] {
        try await ask("GET", "/v1/tasks/\(id)/events").json.at("events").array?.compactMap { $0.at("kind").string }
            ?? []
    }
}
