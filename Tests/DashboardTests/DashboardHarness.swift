import Foundation
import HTTPTesting
import LocalAPI
import Logging
import NIOPosix
import ProviderCatalog
import ServiceLifecycle
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import Dashboard

/// A dashboard on a loopback port, with an engine on a new database. No loop runs, so nothing is sent.
struct DashboardHarness: Sendable {
    let world: EngineWorld
    let sessions: DashboardSessions
    let files: FolderOfFiles
    let port: Int

    /// Runs the body with a new dashboard and always stops it.
    static func run(
        hosts: Current<[String]> = Current(always: []),
        _ body: @escaping @Sendable (DashboardHarness) async throws -> Void
    ) async throws {
        let files = try FolderOfFiles()
        let world = try await EngineWorld(downloads: files)
        let sessions = DashboardSessions(random: EngineRandom(SystemRandomNumberGenerator()), time: world.time)
        let services = LocalAPIServices(
            engine: world.engine, settings: FixedSettings(),
            facts: DaemonFacts(
                version: "1.2.3", pid: 42, startedAt: ManualTimeSource.start, socketPath: "/run/p.sock",
                stateDirectory: files.directory),
            dashboard: NoOpening(), examine: { [] }, time: world.time)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try Dashboard.server(
            services, sessions: sessions, host: "127.0.0.1", port: 0, identity: nil, hosts: hosts,
            maxStreams: 10, random: EngineRandom(SystemRandomNumberGenerator()),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger
        ) { port.yield($0) }
        let group = ServiceGroup(services: [server], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var found = ports.makeAsyncIterator()
            let harness = DashboardHarness(
                world: world, sessions: sessions, files: files, port: try #require(await found.next()))
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(harness)) } catch { outcome = .failure(error) }
            world.engine.streams.close()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try outcome.get()
        }
    }

    /// The address of the dashboard, as a browser names it in `Origin`.
    var origin: String { "http://127.0.0.1:\(port)" }

    /// The token of a new session.
    func token(isReadOnly: Bool = false) throws -> String {
        try #require(sessions.begin(with: sessions.addCode(isReadOnly: isReadOnly).code)).token
    }

    /// The text of a request. `Host` and, unless it only reads, `Origin` are those of a page of ours.
    func request(
        _ method: String, _ path: String, _ body: String = "", token: String? = nil, headers: [String] = [],
        type: String = "application/json", closes: Bool = true
    ) -> String {
        func isGiven(_ name: String) -> Bool { headers.contains { $0.hasPrefix("\(name):") } }
        var lines = ["\(method) \(path) HTTP/1.1"]
        if !isGiven("Host") { lines.append("Host: 127.0.0.1:\(port)") }
        if !["GET", "HEAD"].contains(method), !isGiven("Origin"), !isGiven("Sec-Fetch-Site") {
            lines.append("Origin: \(origin)")
        }
        if let token { lines.append("Authorization: Bearer \(token)") }
        if !body.isEmpty { lines += ["Content-Type: \(type)", "Content-Length: \(body.utf8.count)"] }
        if closes { lines.append("Connection: close") }
        return (lines + headers.filter { $0 != "Origin:" }).joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    /// Makes a request on a connection of its own.
    func ask(
        _ method: String, _ path: String, _ body: String = "", token: String? = nil, headers: [String] = [],
        type: String = "application/json"
    ) async throws -> RawReply {
        var received = ""
        try await RawClient.with(port: port) { client in
            try await client.send(
                request(method, path, body, token: token, headers: headers, type: type))
            received = try await client.readToEnd()
        }
        return RawReply(received)
    }

    /// A task whose first result is a saved file.
    func taskWithFile(_ contents: String, mediaType: String, name: String = "picture") async throws -> TaskID {
        let id = try await world.insert(.task(state: .succeeded))
        let place = Artefact.ID(task: id, ordinal: 0)
        var artefact = Artefact(
            place, url: "https://files.example/x", host: "files.example", expiresAt: nil, nextAt: world.time.now())
        try await world.sqlite.insert([artefact])
        artefact.object = try files.add(contents, mediaType: mediaType, name: name)
        artefact.state = .saved
        try await world.sqlite.put(artefact, at: world.time.now())
        return id
    }

    /// The signed address of a task's first result.
    func link(to task: TaskID, token: String) async throws -> String {
        let reply = try await ask(
            "POST", "/dashboard/media", #"{"results":[{"task":"\#(task.text)","index":0}]}"#, token: token)
        #expect(reply.status == 200, "\(reply.text)")
        return try #require(reply.json["urls"]?.array?.first?.string)
    }
}

extension RawReply {
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    var code: String? { json["code"]?.string }
}

/// Files of results in a folder of the test.
final class FolderOfFiles: ArtefactDownloads {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    var directory: String { folder.path }

    /// Writes a file. Its digest only names it.
    func add(_ contents: String, mediaType: String, name: String) throws -> Artefact.Object {
        let digest = String(repeating: "ab", count: 32)
        try Data(contents.utf8).write(to: URL(filePath: folder.file(digest)))
        return Artefact.Object(
            sha256: digest, size: Int64(contents.utf8.count), mediaType: mediaType, name: "by-task/\(name)")
    }

    func file(of sha256: String) throws(ArtefactFailure) -> String? { folder.file(sha256) }
    func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64) { (0, 1) }
    func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure) {}
    func check() async throws(ArtefactFailure) {}
    func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        throw .forbidden("Nothing is fetched here.")
    }
    func settle(_ object: Artefact.Object) {}
    func remove(
        _ artefact: Artefact, _ object: Artefact.Object,
        isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {}
    func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure) {}
    func forget(_ id: Artefact.ID) {}
}

private struct FixedSettings: SettingsReloading {
    let loaded = LoadedSettings(digest: "0123456789abcdef", loadedAt: ManualTimeSource.start)

    func reload() async throws(ReloadRefusal) -> Reload { throw .invalid("There is nothing to reload.") }
}

private struct NoOpening: DashboardOpening {
    func open(isReadOnly: Bool) async throws(DashboardRefusal) -> DashboardLogin {
        Issue.record("a browser made a code")
        throw .stopping
    }
}
