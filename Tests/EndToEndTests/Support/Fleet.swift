import Foundation
import Testing
import VerbatimJSON

/// Several daemons that share a store. Each has its own state directory.
struct Fleet: Sendable {
    let daemons: [RunningDaemon]

    /// The settings of each daemon for the store at that address.
    static func environment(of world: World, at address: String) -> [String: String] {
        let own = ["HOME", "POLLUX_STATE_DIR", "POLLUX_SOCKET"]
        return world.daemon.environment.filter { !own.contains($0.key) }.merging([
            "POLLUX_STORE": address, "POLLUX_TEST_ABSENT_SPAN_SECONDS": "20", "POLLUX_TEST_STEADY_SPAN_SECONDS": "1",
            "POLLUX_SUBMISSION_ON_UNCERTAIN": "resubmit_if_absent",
        ]) { own, _ in own }
    }

    /// Starts the daemons, runs the test, and ends them.
    func run(_ test: () async throws -> Void) async throws {
        for daemon in daemons where !FileManager.default.fileExists(atPath: daemon.directory) {
            try FileManager.default.createDirectory(
                atPath: daemon.directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        do {
            for daemon in daemons { try await daemon.start() }
            try await test()
        } catch {
            Issue.record("\(error)\n\(log)")
        }
        for daemon in daemons {
            for sign in ["unexpected error", "Fatal error", World.token] {
                #expect(!daemon.log.contains(sign), "\(daemon.log)")
            }
            await daemon.destroy()
        }
    }

    /// Repeats an idempotent request at any of the daemons until one responds.
    func persistently(_ method: String, _ target: String, json: JSONValue? = nil) async throws -> Reply {
        let deadline = Date(timeIntervalSinceNow: 3 * Double(patience))
        while true {
            let daemon = daemons[.random(in: daemons.indices)]
            do {
                let reply = try await daemon.ask(method, target, json?.text, seconds: 90)
                // While the database restarts.
                guard reply.status != 503, reply.status != 500 else {
                    throw TooLate(description: "\(reply.status): \(reply.text)")
                }
                return reply
            } catch {
                guard Date() < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// The task once it has ended.
    func ended(_ id: String) async throws -> JSONValue {
        for _ in 1...30 {
            let task = try await persistently("GET", "/v1/tasks/\(id)?wait_seconds=10").json
            if task.at("ended_at") != .null { return task }
        }
        throw TooLate(description: "Task \(id) did not end")
    }

    var log: String {
        daemons.map { "--- \($0.directory)\n\($0.log.suffix(4_000))" }.joined(separator: "\n")
    }

    /// Sixteen programs submit one task after another, each request at any machine, and wait for each task.
    func useIt(until isOver: Watched<Bool>) async throws -> [JSONValue] {
        try await withThrowingTaskGroup(of: [JSONValue].self) { group in
            for program in 0..<16 {
                group.addTask {
                    var outcomes: [JSONValue] = []
                    while !isOver.current {
                        let name = "\(program)-\(outcomes.count)"
                        let endpoint = EndToEnd.StormTests.endpoints[
                            outcomes.count % EndToEnd.StormTests.endpoints.count]
                        let document = daemons[0].submission(
                            endpoint, ["prompt": .string("\(name) [seconds=\(5 + outcomes.count % 5 * 10)]")],
                            with: ["idempotency_key": .string(name)])
                        let reply = try await persistently("POST", "/v1/tasks", json: document)
                        guard (200...201).contains(reply.status), let id = try reply.json.at("id").string else {
                            throw TooLate(description: "\(reply.status): \(reply.text)")
                        }
                        var questions = 0
                        while true {
                            let task = try await persistently("GET", "/v1/tasks/\(id)?wait_seconds=10").json
                            if task.at("ended_at") != .null {
                                outcomes.append(task)
                                break
                            }
                            questions += isOver.current ? 1 : 0
                            guard questions < 100 else { throw TooLate(description: "Task \(id) did not end") }
                        }
                    }
                    return outcomes
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }
}
