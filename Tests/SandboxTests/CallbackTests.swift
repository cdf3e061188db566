import Foundation
import Synchronization
import Testing

@testable import Sandbox

@Suite struct CallbackTests {
    /// Collects the sandbox's callbacks and responds to them.
    private final class Receiver: Sendable {
        private let calls = Mutex<[(url: String, body: [UInt8])]>([])
        private let (arrivals, arrival) = AsyncStream<Void>.makeStream()

        var sender: CallbackSender {
            { url, body in
                self.calls.withLock { $0.append((url, body)) }
                self.arrival.yield()
                return 200
            }
        }

        /// Waits for this many callbacks and returns their bodies.
        func bodies(_ count: Int) async -> [[UInt8]] {
            var arrivals = arrivals.makeAsyncIterator()
            while calls.withLock({ $0.count }) < count { await arrivals.next() }
            return calls.withLock { $0.map(\.body) }
        }

        var count: Int { calls.withLock { $0.count } }
    }

    private static let url = "http://127.0.0.1:9/callbacks/token"

    private func task(_ endpoint: String, prompt: String = "[seconds=100] a cat") throws -> SimulatedTask {
        try .task(endpoint, prompt: prompt, fields: ["callback_url": .string(Self.url)])
    }

    private func kinds(_ plan: String) throws -> [String] {
        let faults = try FaultPlan(parsing: plan).faults(callbacksOf: 1, seed: 1)
        return try task("midjourney/imagine").callbacks(faults).map(\.kind.rawValue)
    }

    @Test func `the end is reported once, when it is reached`() throws {
        let task = try task("midjourney/imagine")
        let calls = task.callbacks([])
        #expect(calls.map(\.kind) == [.end])
        #expect(calls.first?.at == task.finishedAt)
    }

    @Test func `each fault changes the callbacks as specified`() throws {
        #expect(try kinds("callback-missing@1") == [])
        #expect(try kinds("callback-twice@1") == ["end", "end"])
        #expect(try kinds("callback-early@1") == ["early", "end"])
        #expect(try kinds("callback-progress@1") == ["progress", "progress", "end"])
        #expect(try kinds("callback-lie@1") == ["progress", "end"])
        #expect(try kinds("callback-contradiction@1") == ["contradiction", "end"])
        #expect(try kinds("callback-garbled@1") == ["garbled"])
        #expect(try kinds("callback-lie@2") == ["end"])
        let late = try task("midjourney/imagine").callbacks(
            FaultPlan(parsing: "callback-late@1:7s").faults(callbacksOf: 1, seed: 1))
        #expect(try late.first?.at == task("midjourney/imagine").finishedAt + 7)
    }

    /// The documented callback bodies and their endpoints.
    @Test(arguments: [
        ("flux__callback_success", "flux/images"), ("kling__callback_success", "kling/videos"),
        ("suno__callback_success", "suno/audios"), ("veo__callback_success", "veo/videos"),
    ])
    func `a callback has the documented body`(fixture: String, endpoint: String) throws {
        let documented = try Fixtures.json(fixture)
        let task = try task(endpoint)
        let call = try #require(task.callbacks([]).last)
        let told = try JSONParser.parse(task.body(of: call))
        let names = told.keyStructure.map { String($0.prefix { $0 != " " }) }
        // All documented members exist. Further members are those of the synchronous reply.
        for place in documented.keyStructure.map({ String($0.prefix { $0 != " " }) }) {
            #expect(names.contains(place), "\(place)")
        }
    }

    @Test func `a failure callback has the error`() throws {
        let task = try task("midjourney/imagine", prompt: "[fail] a cat")
        let told = try JSONParser.parse(task.body(of: CallbackCall(kind: .end, at: task.finishedAt)))
        #expect(told["success"] == false)
        #expect(told["task_id"] == .string(task.identity.taskID))
        #expect(told["error"]?["code"] != nil)
    }

    @Test func `a submit that names a URL is called back, and the ledger shows it`() async throws {
        let receiver = Receiver()
        var settings = SandboxSettings()
        settings.callbackSender = receiver.sender
        try await withSandbox(faults: "callback-early@1", settings: settings) { sandbox in
            let submit: JSONValue = ["prompt": "[seconds=1] a cat", "callback_url": .string(Self.url)]
            let reply = try await sandbox.post("/v1/midjourney/imagine", submit).json
            // The early callback comes before the reply.
            #expect(receiver.count >= 1)
            let bodies = await receiver.bodies(2)
            for body in bodies { #expect(try JSONParser.parse(body)["task_id"] == reply["task_id"]) }
            let record = try await sandbox.post(
                "/v1/midjourney/tasks", ["action": "retrieve", "id": reply["task_id"] ?? .null]
            ).json
            #expect(record["request"]?["callback_url"] == .string(Self.url))
            let entry = try await sandbox.get("/sandbox/ledger").json["entries"]?.arrayValue?.first
            #expect(entry?["callbacks"]?.arrayValue?.first?["status"] == 200)
            #expect(entry?["callbacks"]?.arrayValue?.first?["kind"] == "early")
        }
    }

    @Test func `a task can disappear with its last callback`() async throws {
        let receiver = Receiver()
        var settings = SandboxSettings()
        settings.callbackSender = receiver.sender
        try await withSandbox(faults: "callback-forget@1", settings: settings) { sandbox in
            let submit: JSONValue = ["prompt": "[seconds=1] a cat", "callback_url": .string(Self.url)]
            let id = try await sandbox.post("/v1/midjourney/imagine", submit).json["task_id"] ?? .null
            _ = await receiver.bodies(1)
            let record = try await sandbox.post("/v1/midjourney/tasks", ["action": "retrieve", "id": id]).json
            #expect(record == [:])
        }
    }

    @Test func `other providers take callback URLs and call back in their own formats`() async throws {
        let receiver = Receiver()
        var settings = SandboxSettings()
        settings.callbackSender = receiver.sender
        try await withSandbox(settings: settings) { sandbox in
            _ = try await sandbox.post(
                "/fal/fal-ai/flux/dev?fal_webhook=http%3A%2F%2F127.0.0.1%3A9%2Fx", ["prompt": "[seconds=1] a cat"],
                authorization: "Key token")
            let fal = try JSONParser.parse(await receiver.bodies(1)[0])
            #expect(fal["status"] == "OK")
            #expect(fal["payload"]?["images"] != nil)
            _ = try await sandbox.post(
                "/replicate/v1/predictions",
                ["input": ["prompt": "[seconds=1] a cat"], "webhook": "http://127.0.0.1:9/x"])
            let replicate = try JSONParser.parse(await receiver.bodies(2)[1])
            #expect(replicate["status"] == "succeeded")
            #expect(replicate["output"]?.arrayValue?.count == 1)
        }
    }
}
