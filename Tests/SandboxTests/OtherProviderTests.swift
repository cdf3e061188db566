import Foundation
import ProviderCatalog
import TaskModel
import Testing

@testable import Sandbox

/// Tests what the official clients of the other providers need from their wire.
@Suite struct OtherProviderTests {
    typealias Exchange = RunningSandbox.Exchange

    /// Sends a request with the token where each provider expects it.
    private func send(
        _ sandbox: RunningSandbox, _ method: String, _ path: String, type: String = "application/json",
        _ body: String = ""
    ) async throws -> Exchange {
        let authorization = path.hasPrefix("/fal") ? "Key token" : "Bearer token"
        return try await sandbox.exchange(
            "\(method) \(path) HTTP/1.1\r\nHost: sandbox\r\nAuthorization: \(authorization)\r\n"
                + "x-goog-api-key: token\r\nX-Runway-Version: 2024-11-06\r\nContent-Type: \(type)\r\n"
                + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    @Test func `a video of openai may be asked for with a form`() async throws {
        try await withSandbox { sandbox in
            let part = "--b\r\nContent-Disposition: form-data; name="
            let body =
                "\(part)\"prompt\"\r\n\r\na cat\r\n--b\r\nContent-Type: image/png\r\n"
                + "Content-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\n\r\n1\r\n2\r\n"
                + "\(part)\"seconds\"\r\n\r\n8\r\n--b--\r\n"
            let type = "multipart/form-data; boundary=b"
            let video = try await send(sandbox, "POST", "/openai/v1/videos", type: type, body)
            #expect(try video.json["seconds"] == "8" && video.json["status"] == "queued")
            let request = try await sandbox.get("/sandbox/ledger").json["entries"]?.arrayValue?.first?["request"]
            #expect(
                request
                    == ["prompt": "a cat", "input_reference": ["filename": "a.png", "bytes": 4], "seconds": "8"])
            for broken in ["", "--b", body.replacing("--b--", with: "--c--"), body.replacing("; name=", with: "; n=")] {
                #expect(try await send(sandbox, "POST", "/openai/v1/videos", type: type, broken).status == 400)
            }
            #expect(try await sandbox.get("/sandbox/ledger").json["billed"] == 1)
        }
    }

    @Test func `a request of fal has a position while it waits, and logs from then on`() async throws {
        try await withSandbox { sandbox in
            let reply = try await send(sandbox, "POST", "/fal/fal-ai/flux/dev", #"{"prompt": "[seconds=100] a cat"}"#)
            let path = "/fal/fal-ai/flux/requests/\(try #require(reply.json["request_id"]?.stringValue))/status"
            #expect(try await send(sandbox, "GET", path).json["queue_position"] == 0)
            sandbox.clock.advance(by: 50)
            let running = try await send(sandbox, "GET", path).json
            #expect(running["status"] == "IN_PROGRESS" && running["logs"] == .null)
            sandbox.clock.advance(by: 51)
            let completed = try await send(sandbox, "GET", path).json
            #expect(completed["status"] == "COMPLETED" && completed["logs"] == .null)
        }
    }

    @Test func `replicate lists the predictions of a token, the most recent first`() async throws {
        try await withSandbox { sandbox in
            var ids: [String] = []
            for number in 0..<101 {
                let body = #"{"version": "v1", "input": {"prompt": "\#(number)"}}"#
                let reply = try await send(sandbox, "POST", "/replicate/v1/predictions", body)
                ids.append(try reply.json["id"]?.stringValue ?? "")
            }
            let page = try await send(sandbox, "GET", "/replicate/v1/predictions").json
            let shown = page["results"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
            #expect(shown == ids.reversed().dropLast())
            let next = try #require(page["next"]?.stringValue)
            let path = try #require(next.firstRange(of: "/replicate/")).lowerBound
            let last = try await send(sandbox, "GET", String(next[path...])).json
            #expect(last["results"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == [ids[0]])
            #expect(last["next"] == .null)
            _ = try await sandbox.post("/sandbox/forget", text: ids[0])
            #expect(try await send(sandbox, "GET", String(next[path...])).json["results"] == [])
        }
    }

    @Test func `openai lists videos after an id, and says whether others follow`() async throws {
        try await withSandbox { sandbox in
            var ids: [String] = []
            for number in 0..<3 {
                let reply = try await send(sandbox, "POST", "/openai/v1/videos", #"{"prompt": "\#(number)"}"#)
                ids.append(try reply.json["id"]?.stringValue ?? "")
            }
            let first = try await send(sandbox, "GET", "/openai/v1/videos?limit=2&order=desc").json
            #expect(first["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == [ids[2], ids[1]])
            #expect(first["has_more"] == true && first["last_id"]?.stringValue == ids[1])
            let last = try await send(sandbox, "GET", "/openai/v1/videos?limit=2&order=desc&after=\(ids[1])").json
            #expect(last["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == [ids[0]])
            #expect(last["has_more"] == false)
        }
    }

    @Test func `a prediction of replicate names its model and its version`() async throws {
        try await withSandbox { sandbox in
            let reply = try await send(
                sandbox, "POST", "/replicate/v1/predictions", #"{"version": "v1", "input": {"prompt": "a cat"}}"#)
            #expect(try reply.json["model"] == "sandbox/model" && reply.json["version"] == "v1")
        }
    }

    @Test func `a task of runway says what it costs`() async throws {
        try await withSandbox { sandbox in
            let body = #"{"promptText": "[seconds=100] a cat"}"#
            let reply = try await send(sandbox, "POST", "/runway/v1/image_to_video", body).json
            #expect(reply["estimatedCost"] == ["credits": 25])
            let path = "/runway/v1/tasks/\(try #require(reply["id"]?.stringValue))"
            #expect(try await send(sandbox, "GET", path).json["estimatedCost"] == ["credits": 25])
            sandbox.clock.advance(by: 101)
            #expect(try await send(sandbox, "GET", path).json["cost"] == ["credits": 25])
        }
    }

    @Test func `a submit that hangs is billed and ends without a byte after its duration`() async throws {
        try await withSandbox(faults: "hang@1:30s,hang-before@2:5s") { (sandbox: RunningSandbox) async throws in
            for (billed, seconds) in [(1, 30.0), (1, 35.0)] {
                let reply = try await send(
                    sandbox, "POST", "/replicate/v1/predictions", #"{"input": {"prompt": "a cat"}}"#)
                #expect(reply.bytes == [])
                #expect(sandbox.clock.now == .start + seconds)
                #expect(try await sandbox.get("/sandbox/ledger").json["billed"] == .integer(billed))
            }
        }
    }

    // MARK: Interactions of google

    private func interaction(_ sandbox: RunningSandbox, _ text: String) async throws -> Exchange {
        try await send(
            sandbox, "POST", "/google/v1beta/interactions",
            #"{"model": "gemini-3.5-flash", "input": "\#(text)", "background": true}"#)
    }

    @Test(arguments: [
        ("", "succeeded"), ("[status=requires_action]", "partial"), ("[status=idle]", "partial"),
        ("[status=incomplete]", "partial"), ("[status=budget_exceeded]", "partial"),
        ("[status=requires_continuation]", "partial"), ("[status=cancelled]", "failed"), ("[fail]", "failed"),
    ])
    func `the daemon's definition reads the course of an interaction`(control: String, end: String) async throws {
        let name = try #require(EndpointName("google:interactions"))
        let dialect = try #require(try ProviderCatalog.builtIn().endpoint(name)).dialect
        try await withSandbox { sandbox in
            let reply = try await interaction(sandbox, "[seconds=100] a question \(control)")
            let submitted = dialect.readSubmission(UpstreamReply(status: 200, body: Array(reply.body.utf8)))
            guard case .accepted(let id, _, _) = submitted else {
                Issue.record("\(submitted)")
                return
            }
            for (seconds, expected) in [(1.0, "pending"), (50, "pending"), (51, end)] {
                sandbox.clock.advance(by: seconds)
                let record = try await send(sandbox, "GET", "/google/v1beta/interactions/\(id.text)")
                let verdict = dialect.readLookup(
                    UpstreamReply(status: 200, body: Array(record.body.utf8)), of: id)
                guard case .observed(let observation) = verdict else {
                    Issue.record("\(verdict)")
                    return
                }
                let word =
                    switch observation.verdict {
                    case .pending: "pending"
                    case .succeeded(let partial): partial ? "partial" : "succeeded"
                    case .failed: "failed"
                    }
                #expect(word == expected, "\(record.body)")
                #expect(!observation.results.contains { "\($0.value)".contains("a question") })
            }
        }
    }

    @Test func `an interaction that is not in the background is answered at its end, without its input`() async throws {
        try await withSandbox { sandbox in
            let body = #"{"model": "gemini-3.5-flash", "input": "[seconds=100] a question"}"#
            let reply = try await send(sandbox, "POST", "/google/v1/interactions", body).json
            #expect(reply["status"] == "completed" && sandbox.clock.now >= .start + 100)
            #expect(reply["steps"]?.arrayValue?.map { $0["type"] } == ["model_output"])
            let path = "/google/v1/interactions/\(try #require(reply["id"]?.stringValue))"
            let steps = try await send(sandbox, "GET", path).json["steps"]?.arrayValue
            #expect(steps?.map { $0["type"] } == ["user_input", "model_output"])
            let cancelled = try await send(sandbox, "POST", path + "/cancel").json
            #expect(cancelled["status"] == "cancelled" && cancelled["id"] == reply["id"])
        }
    }
}
