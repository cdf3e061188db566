import BoundedMemory
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import LocalAPI
import Logging
import NIOCore
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// The routes with a real engine and a new database. No loop runs, so nothing is sent.
struct APIHarness: Sendable {
    let client: any TestClientProtocol
    let engine: TaskEngine
    let store: TaskStore

    static let start = Timestamp(milliseconds: 1_795_000_000_000)

    /// Runs the body with routes on a new database.
    static func run(
        bodies: ByteBudget = ByteBudget(capacity: 64 << 20), catalog: ProviderCatalog? = nil,
        settings: any SettingsReloading = UnchangedSettings(), maxStreams: Int = LocalAPI.maxStreams,
        _ body: @escaping @Sendable (APIHarness) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "pollux-api-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let database = try SQLiteDriver.open(path: directory.appending(path: "pollux.sqlite").path())
        try await run(
            on: TaskStore(database), bodies: bodies, catalog: try catalog ?? .builtIn(), settings: settings,
            maxStreams: maxStreams, body)
        try database.close()
    }

    /// Runs the body with routes on that store and catalogue.
    static func run(
        on store: TaskStore, bodies: ByteBudget = ByteBudget(capacity: 64 << 20), catalog: ProviderCatalog,
        settings: any SettingsReloading = UnchangedSettings(), maxStreams: Int = LocalAPI.maxStreams,
        _ body: @escaping @Sendable (APIHarness) async throws -> Void
    ) async throws {
        let engine = try await TaskEngine(
            store: store, catalog: catalog, transport: UnreachableProvider(),
            accounts: { _ in [Account(hasToken: false)] },
            time: StoppedClock(), random: EngineRandom(SystemRandomNumberGenerator()),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let facts = DaemonFacts(
            version: "1.2.3", pid: 42, startedAt: start, socketPath: "/run/p.sock", stateDirectory: "/state")
        let router = LocalAPI.router(
            LocalAPIServices(
                engine: engine, settings: settings, facts: facts, dashboard: NoDashboard(),
                examine: { [Finding(.disk, "/state", .trouble, "It is full."), Finding(.clock, .ok, "It is right.")] },
                time: StoppedClock(), bodies: bodies),
            maxStreams: maxStreams)
        try await Application(router: router).test(.router) { client in
            try await body(APIHarness(client: client, engine: engine, store: store))
        }
    }

    /// Makes a request and returns the response.
    @discardableResult
    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, headers: HTTPFields = [:]
    ) async throws -> Answer {
        let response = try await client.execute(
            uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        let text = String(buffer: response.body)
        return Answer(
            status: Int(response.status.code), type: response.headers[.contentType] ?? "",
            json: (try? JSONValue(parsing: text)) ?? .null, text: text, headers: response.headers)
    }

    /// Submits and returns the new task's id.
    func submit(_ prompt: String, extra: String = "") async throws -> String {
        let answer = try await ask(
            .post, "/v1/tasks",
            #"{"endpoint":"flux/images","request":{"prompt":"\#(prompt)"}\#(extra)}"#)
        #expect(answer.status == 201, "\(answer.text)")
        return try #require(answer.json["id"]?.string)
    }

    /// A response.
    struct Answer: Sendable {
        let status: Int
        let type: String
        let json: JSONValue
        let text: String
        let headers: HTTPFields

        /// The code of a valid problem document; nil for any other response.
        var problemCode: String? {
            guard type == "application/problem+json", json["status"]?.number?.integer == Int64(status),
                json["detail"]?.string?.isEmpty == false, json["title"]?.string?.isEmpty == false
            else { return nil }
            return json["code"]?.string
        }
    }
}

/// A clock that stands still. Only a wake signal ends a sleep.
private struct StoppedClock: TimeSource {
    func now() -> Timestamp { APIHarness.start }
    func elapsed() -> Duration { .zero }

    func sleep(until point: Timestamp) async {
        guard point > now() else { return }
        let (stream, _) = AsyncStream<Void>.makeStream()
        for await _ in stream {}
    }
}

/// A provider that fails the test if it gets a request.
private struct UnreachableProvider: UpstreamTransport {
    func roomForPaidReply() -> ReplyRoom? { ReplyRoom() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        Issue.record("a route sent something to the provider")
        throw .notSent("no provider")
    }
}

/// Settings that a reload does not change.
struct UnchangedSettings: SettingsReloading {
    let loaded = LoadedSettings(digest: "0123456789abcdef", loadedAt: APIHarness.start)

    func reload() async throws(ReloadRefusal) -> Reload { Reload(settings: loaded, changes: [], warnings: []) }
}

/// A dashboard that says what was asked of it.
struct NoDashboard: DashboardOpening {
    func open(isReadOnly: Bool) async throws(DashboardRefusal) -> DashboardLogin {
        DashboardLogin(
            url: "http://127.0.0.1:8485/#login=code", isReadOnly: isReadOnly,
            expiresAt: APIHarness.start + .seconds(60))
    }
}
