import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// The engine with callbacks enabled, and the deliveries of the callback tests.
protocol CallbackFixture: Sendable {}

extension CallbackFixture {
    static var publicURL: String { "https://pollux.example" }

    /// Creates an engine with callbacks enabled.
    func world(
        limits: EngineLimits = EngineLimits(), redactor: SecretRedactor = SecretRedactor()
    ) async throws -> EngineWorld {
        try await EngineWorld(limits: limits, callbacksAt: Self.publicURL, redactor: redactor)
    }

    /// The token in the callback URL of a paid request.
    func token(of sent: SentRequest?) throws -> String {
        let url = try #require(sent?.body["callback_url"]?.string)
        let prefix = Self.publicURL + "/callbacks/"
        #expect(url.hasPrefix(prefix))
        return String(url.dropFirst(prefix.count))
    }

    /// Creates a running task with the remote id `r-1`. Returns it with its token.
    func running(_ world: EngineWorld) async throws -> (TaskID, token: String) {
        world.provider.enqueue(.accepted("r-1"))
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        return (id, try token(of: world.provider.paid.last))
    }

    /// Creates a task whose reply was lost. Returns it with its token.
    func lost(
        _ world: EngineWorld, onUncertain: UncertainPolicy? = nil
    ) async throws -> (TaskID, token: String) {
        world.provider.enqueue(.interrupted("reset"))
        let id = try await world.submit(onUncertain: onUncertain)
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .uncertain)
        return (id, try token(of: world.provider.paid.last))
    }

    func deliver(_ body: JSONValue, _ token: String, to world: EngineWorld) async throws -> Bool {
        try await world.engine.callbacks.deliver(CallbackBody(body.utf8), to: token) == .taken
    }

    /// Delivers a callback for a paid request before its reply.
    static func callBack(_ body: JSONValue, during sent: SentRequest, to world: EngineWorld) async {
        let url = sent.body["callback_url"]?.string ?? ""
        _ = try? await world.engine.callbacks.deliver(
            CallbackBody(body.utf8), to: String(url.split(separator: "/").last ?? ""))
    }

    static func success(_ id: String = "r-1") -> JSONValue {
        [
            "success": true, "task_id": .string(id), "trace_id": "t-1",
            "data": [["image_url": "https://cdn.example/1.png"]],
        ]
    }

    static var failure: JSONValue {
        [
            "success": false, "task_id": "r-1", "error": ["code": "forbidden", "message": "Moderation."],
        ]
    }

    /// A callback that claims success and reports progress of 35 %.
    static var premature: JSONValue {
        [
            "success": true, "task_id": "r-1", "progress": 35, "image_url": "https://cdn.example/preview.png",
        ]
    }
}
