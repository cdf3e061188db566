import Foundation
import Testing

@testable import Sandbox

/// Tests the server over a real loopback socket.
@Suite struct SandboxServerTests {
    @Test(arguments: ["", "/v1"]) func `a submitted task is polled until it is finished`(prefix: String) async throws {
        try await withSandbox { sandbox in
            let accepted = try await sandbox.post(
                "\(prefix)/midjourney/imagine", ["prompt": "[seconds=30] a cat", "async": true])
            #expect(accepted.status == 200)
            let id = try #require(try accepted.json["task_id"])
            let pending = try await sandbox.post(
                "\(prefix)/midjourney/tasks", ["action": "retrieve", "task_id": id])
            #expect(try pending.json["id"] == id)
            #expect(try pending.json["finished_at"]?.doubleValue == nil)
            sandbox.clock.advance(by: 31)
            let finished = try await sandbox.post("\(prefix)/midjourney/tasks", ["id": id])
            #expect(try finished.json["finished_at"]?.doubleValue != nil)
            #expect(try finished.json["response"]?["progress"] == 100)
            #expect(finished.header("content-type")?.hasPrefix("application/json") == true)
        }
    }

    @Test func `without async a submit waits for the end and replies inline`() async throws {
        try await withSandbox { sandbox in
            let before = sandbox.clock.now
            let reply = try await sandbox.post("/kling/videos", ["prompt": "[seconds=300] a cat"])
            #expect(try reply.json["state"] == "succeed")
            #expect(abs(sandbox.clock.now.timeIntervalSince(before) - 300.06) < 0.01)
            let failed = try await sandbox.post("/kling/videos", ["prompt": "[fail] a cat"])
            #expect(failed.status == 500 || failed.status == 504)
            #expect(try failed.json["success"] == false)
        }
    }

    @Test func `a callback URL makes a submit asynchronous and is echoed in the record`() async throws {
        try await withSandbox { sandbox in
            let body: JSONValue = ["prompt": "a cat", "callback_url": "https://example.com/callbacks/token"]
            let id = try #require(try await sandbox.post("/luma/videos", body).json["task_id"])
            let record = try await sandbox.post("/luma/tasks", ["id": id]).json
            #expect(record["request"] == body)
        }
    }

    // MARK: Errors

    @Test(arguments: [
        (String?.none, 401, "authorization_missing"), ("Basic eA==", 401, "authorization_missing"),
        ("Bearer ", 400, "no_token"), ("Bearer expired-token", 401, "token_expired"),
        ("Bearer used-up-token", 403, "used_up"), ("Bearer stranger", 401, "invalid_token"),
    ])
    func `an invalid token is rejected as documented`(authorization: String?, status: Int, code: String) async throws {
        var settings = SandboxSettings()
        settings.tokens = .only(["friend"])
        try await withSandbox(settings: settings) { sandbox in
            for path in ["/veo/videos", "/v1/veo/tasks"] {
                let reply = try await sandbox.post(path, ["prompt": "a cat"], authorization: authorization)
                #expect(reply.status == status)
                #expect(try reply.json["error"]?["code"] == .string(code))
                #expect(try reply.json["trace_id"]?.stringValue != nil)
            }
        }
    }

    @Test(arguments: [
        ("/veo/nothing", "{}", 404, "no_api"), ("/nobody/tasks", "{}", 404, "no_api"),
        ("/v2/veo/videos", "{}", 404, "no_api"), ("/veo/videos", "{", 400, "bad_request"),
        ("/veo/videos", "[]", 400, "bad_request"), ("/veo/videos", "{}", 400, "bad_request"),
        ("/veo/tasks", "{}", 400, "bad_request"),
        ("/veo/videos", #"{"prompt":"[moderated]"}"#, 403, "forbidden"),
    ])
    func `an invalid request is rejected as documented`(
        path: String, body: String, status: Int, code: String
    ) async throws {
        try await withSandbox { sandbox in
            let reply = try await sandbox.post(path, text: body)
            #expect(reply.status == status)
            #expect(try reply.json["error"]?["code"] == .string(code))
        }
    }

    @Test func `a submit path does not support GET`() async throws {
        try await withSandbox { (sandbox: RunningSandbox) async throws in
            #expect(try await sandbox.get("/veo/videos").status == 404)
            #expect(try await sandbox.get("/v1/veo/tasks").status == 404)
        }
    }

    @Test func `a body over ten megabytes is too large`() async throws {
        try await withSandbox { sandbox in
            let padding = String(repeating: "x", count: 10 * 1024 * 1024)
            let reply = try await sandbox.post("/veo/videos", ["prompt": .string(padding)])
            #expect(reply.status == 413)
            #expect(try reply.json["error"]?["code"] == "request_too_large")
        }
    }

    @Test func `exceeded limits have the documented error codes`() async throws {
        var settings = SandboxSettings()
        settings.limits = SandboxLimits(pollsPerSecond: 1, concurrentTasksPerService: 1)
        try await withSandbox(settings: settings) { sandbox in
            let body: JSONValue = ["prompt": "a cat", "async": true]
            #expect(try await sandbox.post("/sora/videos", body).status == 200)
            let full = try await sandbox.post("/sora/videos", body)
            #expect(full.status == 429)
            #expect(try full.json["error"]?["code"] == "rate_limited")
            #expect(try await sandbox.post("/sora/tasks", ["id": "x"]).status == 200)
            let fast = try await sandbox.post("/sora/tasks", ["id": "x"])
            #expect(fast.status == 429)
            #expect(try fast.json["error"]?["code"] == "too_many_requests")
            #expect(try await sandbox.get("/sandbox/ledger").json["billed"] == 1)
        }
    }

    @Test func `many requests over one connection are answered in order`() async throws {
        try await withSandbox { sandbox in
            let body = #"{"prompt":"a cat","async":true}"#
            let head = "POST /flux/images HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer t\r\n"
            let request = "\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            let last = "\(head)Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            let replies = try await sandbox.exchange(request + request + last)
            #expect(replies.text.components(separatedBy: "HTTP/1.1 200 OK").count == 4)
        }
    }

    // MARK: Control routes

    @Test func `the index page explains how to begin`() async throws {
        try await withSandbox { sandbox in
            let page = try await sandbox.get("/").body
            for word in ["/suno/audios", "[fail]", "/sandbox/ledger", "lost-reply"] { #expect(page.contains(word)) }
        }
    }

    @Test func `faults and state can be reset while it runs`() async throws {
        try await withSandbox { sandbox in
            let wrong = try await sandbox.post("/sandbox/faults", text: "lost-replies=1", authorization: nil)
            #expect(wrong.status == 400)
            #expect(wrong.body.contains("lost-reply"))
            _ = try await sandbox.post("/sandbox/faults", text: "busy=1", authorization: nil)
            #expect(try await sandbox.post("/veo/videos", ["prompt": "a cat"]).json["error"]?["code"] == "busy")
            _ = try await sandbox.post("/sandbox/faults", text: "none", authorization: nil)
            _ = try await sandbox.post("/veo/videos", ["prompt": "a cat"])
            #expect(try await sandbox.get("/sandbox/ledger").json["billed"] == 1)
            #expect(try await sandbox.get("/sandbox/stats").json["submit"]?["total"] == 2)
            _ = try await sandbox.post("/sandbox/reset", text: "", authorization: nil)
            #expect(try await sandbox.get("/sandbox/ledger").json["billed"] == 0)
        }
    }

    @Test func `the ledger file is written when the server stops`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "sandbox-ledger-\(UUID()).json").path
        var settings = SandboxSettings()
        settings.ledgerFile = path
        try await withSandbox(settings: settings) { sandbox in
            _ = try await sandbox.post("/veo/videos", ["prompt": "a cat", "async": true])
        }
        let ledger = try JSONParser.parse(Array(try Data(contentsOf: URL(filePath: path))))
        #expect(ledger["billed"] == 1)
        try FileManager.default.removeItem(atPath: path)
    }

    @Test func `an invalid speed prevents the start and is explained`() async throws {
        var settings = SandboxSettings()
        settings.speed = 0
        await #expect(throws: SandboxError.invalidSpeed(0)) {
            try await withSandbox(settings: settings) { _ in }
        }
    }
}
