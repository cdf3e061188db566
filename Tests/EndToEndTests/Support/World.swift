import Foundation
import Testing
import VerbatimJSON

/// A sandbox, a daemon that uses it, and a directory for both.
struct World: Sendable {
    let directory: String
    let sandbox: RunningSandbox
    let daemon: RunningDaemon

    /// The daemon's token. Tests check that it does not leak.
    static let token = "secret-token-4711"

    /// The file of a user's definition of the provider `mine`.
    var definitionFile: String { directory + "/.config/pollux/providers/mine.yaml" }

    /// A definition of the provider `mine`, with the endpoint `mine:make` at the sandbox.
    var definition: String {
        """
        provider: mine
        base_url: http://127.0.0.1:\(sandbox.port)/replicate
        max_requests_per_second: 100
        endpoints:
          make:
            submit: {path: /v1/predictions}
            accepted: {id: /id}
            poll: {path: "/v1/predictions/{id}"}
            state: [{at: /status, pending: [starting, processing], succeeded: [succeeded], failed: [failed]}]
            results: [/output/*]
        """
    }

    /// Runs a CLI command against this daemon and waits for its end.
    func pollux(
        _ arguments: [String], input: String = "", environment: [String: String] = [:],
        within seconds: Double = Double(patience)
    ) async throws -> (exit: ChildProcess.Exit, output: String, errors: String) {
        let process = try ChildProcess(
            arguments, environment: daemon.environment.merging(environment) { $1 }, input: Array(input.utf8))
        do {
            let exit = try await process.exit(within: seconds)
            return (exit, process.outputText, process.errorText)
        } catch {
            await process.destroy()
            throw error
        }
    }
}

/// Runs a test in a new world and always cleans up. The daemon is not started yet.
func withWorld(
    faults: String = "none", speed: Double = 60, seed: UInt64 = 1, sandboxFlags: [String] = [],
    environment: [String: String] = [:],
    stateDirectory: String? = nil, test: (World) async throws -> Void
) async throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let sandbox = try await RunningSandbox(faults: faults, speed: speed, seed: seed, flags: sandboxFlags)
    let quick = [
        "XHUOAPI_BASE_URL": sandbox.baseURL, "XHUOAPI_TOKEN": World.token, "POLLUX_POLLING_MIN_GAP_SECONDS": "0.1",
        "POLLUX_POLLING_MAX_GAP_SECONDS": "0.5", "POLLUX_POLLING_MAX_REQUESTS_PER_SECOND": "1000",
        "POLLUX_SUBMISSION_MAX_PER_SECOND": "1000", "POLLUX_SUBMISSION_MAX_IN_FLIGHT": "1000",
    ].merging(environment) { $1 }
    let daemon = RunningDaemon(directory: directory, stateDirectory: stateDirectory, environment: quick)
    let failure: (any Error)?
    do {
        try await test(World(directory: directory, sandbox: sandbox, daemon: daemon))
        failure = nil
    } catch {
        failure = error
    }
    await daemon.destroy()
    await sandbox.process.destroy()
    if let failure {
        Issue.record("\(failure)\nThe daemon's log:\n\(daemon.log.suffix(6_000))")
    }
    // In every test, the daemon must not report an internal error.
    #expect(!daemon.log.contains("unexpected error"), "\(daemon.log)")
    #expect(!daemon.log.contains("Fatal error"), "\(daemon.log)")
    #expect(!daemon.log.contains(World.token))
}

/// A new directory with a path short enough for a socket.
func temporaryDirectory() throws -> String {
    let path = "/tmp/pollux-e2e-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    return path
}
