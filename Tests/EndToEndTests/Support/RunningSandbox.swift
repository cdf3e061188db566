import Foundation
import VerbatimJSON

/// The simulated provider as a separate process, with its ledger.
struct RunningSandbox: Sendable {
    let process: ChildProcess
    let port: Int

    var baseURL: String { "http://127.0.0.1:\(port)/v1" }

    /// Starts a sandbox on a free port.
    init(faults: String, speed: Double, seed: UInt64, flags: [String] = []) async throws {
        process = try ChildProcess(
            ["sandbox", "--port", "0", "--speed", "\(speed)", "--seed", "\(seed)", "--faults", faults] + flags,
            environment: ["PATH": "/usr/bin:/bin"])
        let url = try await process.firstLine()
        guard let port = URL(string: url)?.port else { throw TooLate(description: "No base URL but \(url)") }
        self.port = port
    }

    /// The ledger of billed tasks.
    func ledger() async throws -> Ledger {
        Ledger(json: try await ask("GET", "/sandbox/ledger").json)
    }

    /// The statuses of all callbacks; nil for one without a response.
    func callbacks() async throws -> [Int?] {
        let entries = try await ledger().json.at("entries").array ?? []
        return entries.flatMap { $0.at("callbacks").array ?? [] }.map { $0.at("status").integer }
    }

    /// The number of requests by kind.
    func statistics() async throws -> JSONValue { try await ask("GET", "/sandbox/stats").json }

    /// Replaces the fault plan.
    func replaceFaults(_ plan: String) async throws {
        _ = try await ask("POST", "/sandbox/faults", body: plan)
    }

    /// Rejects the token from now on.
    func revoke(_ token: String) async throws { _ = try await ask("POST", "/sandbox/revoke", body: token) }

    /// Deletes a task's record.
    func forget(_ remoteID: String) async throws { _ = try await ask("POST", "/sandbox/forget", body: remoteID) }

    /// Submits a task as another program with the same token does. Returns its id.
    func submit(_ path: String, _ request: JSONValue) async throws -> String {
        let reply = try await ask(
            "POST", path, body: request.text,
            headers: "Authorization: Bearer \(World.token)\r\nContent-Type: application/json\r\n")
        return try reply.json.at("task_id").string ?? reply.json.at("id").string ?? ""
    }

    private func ask(_ method: String, _ path: String, body: String = "", headers: String = "") async throws -> Reply {
        try await onThread { [port] in
            let connection = try Connection(port: port)
            try connection.write(
                "\(method) \(path) HTTP/1.1\r\nHost: sandbox:\(port)\r\nConnection: close\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return try connection.reply()
        }
    }

    /// The sandbox's ledger.
    struct Ledger: Sendable {
        let json: JSONValue

        var billed: Int { json.at("billed").integer ?? -1 }
        var remoteIDs: [String] { (json.at("entries").array ?? []).compactMap { $0.at("task_id").string } }
        /// The maximum number of bills for equal requests.
        var mostPerRequest: Int { json.at("max_billed_per_request").integer ?? -1 }
        /// The prompts of billed tasks by remote id.
        var prompts: [String: String] {
            Dictionary(
                uniqueKeysWithValues: (json.at("entries").array ?? []).map {
                    ($0.at("task_id").string ?? "", $0.at("request", "prompt").string ?? "")
                })
        }
    }
}
