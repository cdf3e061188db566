import Foundation
import Testing

@testable import Sandbox

/// Tests the downloads of results and their faults over a real loopback socket.
@Suite struct ResultRoutesTests {
    private static let path = "/files/flux/a.png"
    private static let file = ResultFile(path: path)

    @Test func `a finished task names a file on the sandbox's own port`() async throws {
        try await withSandbox { sandbox in
            let request: JSONValue = ["prompt": "a cat [seconds=1]", "async": true]
            let id = try await sandbox.post("/flux/images", request).json["task_id"]?.stringValue ?? ""
            sandbox.clock.advance(by: 2)
            let record = try await sandbox.post("/flux/tasks", ["action": "retrieve", "id": .string(id)]).json
            let url = record["response"]?["data"]?.arrayValue?.first?["image_url"]?.stringValue ?? ""
            #expect(url == "http://sandbox/files/flux/\(id)_0.png")
            let path = String(url.dropFirst("http://sandbox".count))
            let reply = try await sandbox.get(path)
            #expect(reply.status == 200)
            #expect(reply.header("content-type") == "image/png")
            #expect(reply.bodyBytes == ResultFile(path: path).bytes)
            #expect(reply.header("repr-digest") == ResultFile(path: path).digestField)
        }
    }

    @Test func `no record has the address of another host`() throws {
        for operation in ServiceTable.operations {
            let task = try SimulatedTask.task(operation.endpoint)
            for moment in [5.0, 50, 101] {
                let text =
                    task.lookup(at: .start + moment).document.text + task.inlineReply.document.text
                    + task.finalCallbackBody.text
                let rest = text.replacing("http://sandbox.invalid/files/", with: "").replacing("\\/", with: "/")
                #expect(!rest.contains("://"), "\(operation.endpoint): \(rest)")
            }
        }
        for other in OtherProviderRoutes.all {
            let task = SimulatedTask(
                other.operation, request: ["prompt": "[seconds=100]"], owner: TaskOwner(token: "t", seed: 1),
                sequence: 1, at: .start, seed: 1, speed: 1)
            for path in ["/fal-ai/any/requests/1", "/v1/predictions/1", "/v1/videos/1", "/v1beta/operations/1"] {
                let document = other.answer(task, path: path, at: "http://sandbox.invalid", now: .start + 101).1
                let rest = document.text.replacing("http://sandbox.invalid/", with: "")
                #expect(!rest.contains("://"), "\(other.name): \(rest)")
            }
        }
    }

    @Test(arguments: [
        ("bytes=100-", 206, 100..<file.bytes.count), ("bytes=0-9", 206, 0..<10),
        ("bytes=10-999999999", 206, 10..<file.bytes.count), ("bytes=a-", 200, 0..<file.bytes.count),
        ("bytes=0-1,3-4", 200, 0..<file.bytes.count),
    ])
    func `a range gets that part of the file`(range: String, status: Int, part: Range<Int>) async throws {
        try await withSandbox { sandbox in
            let reply = try await sandbox.get(Self.path, headers: ["Range: \(range)"])
            #expect(reply.status == status)
            #expect(reply.bodyBytes == Array(Self.file.bytes[part]))
            let field = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(Self.file.bytes.count)"
            #expect(reply.header("content-range") == (status == 206 ? field : nil))
        }
    }

    @Test func `a range behind the end is not satisfiable, and one of another version gets the whole file`()
        async throws
    {
        try await withSandbox { sandbox in
            let size = Self.file.bytes.count
            let beyond = try await sandbox.get(Self.path, headers: ["Range: bytes=\(size)-"])
            #expect(beyond.status == 416)
            #expect(beyond.header("content-range") == "bytes */\(size)")
            let same = try await sandbox.get(
                Self.path, headers: ["Range: bytes=5-", "If-Range: \(Self.file.entityTag)"])
            #expect(same.status == 206)
            let other = try await sandbox.get(Self.path, headers: ["Range: bytes=5-", "If-Range: \"other\""])
            #expect(other.status == 200)
            #expect(other.bodyBytes.count == size)
        }
    }

    @Test func `a file breaks off at any byte with a reset`() async throws {
        try await withSandbox(faults: "result-cut=1") { sandbox in
            var counts: Set<Int> = []
            for _ in 1...4 {
                let reply = try await sandbox.get(Self.path)
                #expect(reply.wasReset)
                #expect(reply.header("content-length") == "\(Self.file.bytes.count)")
                #expect(Self.file.bytes.starts(with: reply.bodyBytes))
                counts.insert(reply.bodyBytes.count)
            }
            #expect(counts.count > 1 && (counts.max() ?? 0) < Self.file.bytes.count)
        }
    }

    @Test func `a changed file stays changed and has another entity tag`() async throws {
        try await withSandbox(faults: "result-changed@2") { sandbox in
            #expect(try await sandbox.get(Self.path).bodyBytes == Self.file.bytes)
            let changed = ResultFile(path: Self.path, version: 1)
            for _ in 1...2 {
                let reply = try await sandbox.get(Self.path)
                #expect(reply.bodyBytes == changed.bytes)
                #expect(reply.header("etag") == changed.entityTag)
            }
        }
    }

    @Test func `half a file is announced as all of it, with the digest of the whole`() async throws {
        try await withSandbox(faults: "result-short@1") { sandbox in
            let reply = try await sandbox.get(Self.path)
            #expect(reply.status == 200)
            #expect(reply.header("content-length") == "\(Self.file.bytes.count / 2)")
            #expect(reply.bodyBytes == Array(Self.file.bytes.prefix(Self.file.bytes.count / 2)))
            #expect(reply.header("repr-digest") == Self.file.digestField)
        }
    }

    @Test func `a stalled download ends after its span without the rest`() async throws {
        try await withSandbox(faults: "result-stall@1:40s") { sandbox in
            let reply = try await sandbox.get(Self.path)
            #expect(reply.bodyBytes == Array(Self.file.bytes.prefix(Self.file.bytes.count / 2)))
            #expect(sandbox.clock.now == .start + 40)
        }
    }

    @Test(arguments: [
        ("result-502", 502, "text/html"), ("result-403", 403, "application/xml"),
        ("result-html", 200, "text/html; charset=utf-8"),
    ])
    func `a download may get another document`(fault: String, status: Int, type: String) async throws {
        try await withSandbox(faults: "\(fault)@1") { sandbox in
            let reply = try await sandbox.get(Self.path)
            #expect(reply.status == status)
            #expect(reply.header("content-type") == type)
            #expect(try await sandbox.get(Self.path).status == 200)
        }
    }

    @Test func `a redirect leads to an address of this machine`() async throws {
        try await withSandbox(faults: "result-redirect@1") { sandbox in
            let reply = try await sandbox.get(Self.path)
            #expect(reply.status == 302)
            #expect(reply.header("location")?.hasPrefix("http://127.") == true)
        }
    }

    @Test func `a URL expires, and the next look-up has a new one`() async throws {
        try await withSandbox(faults: "result-expires@1:10s,lost-reply@2") { sandbox in
            let request: JSONValue = ["prompt": "a cat [seconds=1]", "async": true]
            let id = try await sandbox.post("/flux/images", request).json["task_id"]?.stringValue ?? ""
            sandbox.clock.advance(by: 2)
            func path() async throws -> String {
                let record = try await sandbox.post("/flux/tasks", ["action": "retrieve", "id": .string(id)]).json
                let url = record["response"]?["data"]?.arrayValue?.first?["image_url"]?.stringValue ?? ""
                return String(url.dropFirst("http://sandbox".count))
            }
            let first = try await path()
            #expect(first.contains("X-Amz-Expires=10&"))
            #expect(try await sandbox.get(first).status == 200)
            sandbox.clock.advance(by: 12)
            #expect(try await sandbox.get(first).status == 403)
            #expect(try await sandbox.get(try await path()).status == 200)
        }
    }

    @Test func `statistics count downloads`() async throws {
        try await withSandbox { sandbox in
            for _ in 1...3 { _ = try await sandbox.get(Self.path) }
            #expect(try await sandbox.get("/sandbox/stats").json["download"]?["total"] == 3)
        }
    }
}
