import CallbackAPI
import Foundation
import Logging
import NIOCore
import NIOPosix
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the public callback route through a real listener.
@Suite(.timeLimit(.minutes(2))) struct CallbackAPITests {
    private static let success = #"{"success":true,"task_id":"r-1","data":[{"image_url":"https://cdn.example/1.png"}]}"#

    private static func identity() throws -> CallbackAPI.Identity {
        let folder = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures")
        return CallbackAPI.Identity(
            certificateFile: folder.appendingPathComponent("certificate.pem").path,
            keyFile: folder.appendingPathComponent("key.pem").path)
    }

    // MARK: Deliveries

    @Test(arguments: [false, true])
    func `a delivery is on disk before its response, over HTTP and TLS`(usesTLS: Bool) async throws {
        try await withListener(identity: usesTLS ? try Self.identity() : nil) { listener in
            let (id, path) = try await listener.running()
            #expect(try await listener.post(path, Self.success) == 200)
            let task = try await listener.world.task(id)
            #expect(task.callbacks.count == 1)
            #expect(task.callbacks.finalAt != nil)
            #expect(task.state == .running)
        }
    }

    @Test func `the header fields are available for checking`() async throws {
        try await withListener(
            definition: EngineWorld.definition
                + "\ncallback_signature: {algorithm: echo, secret: TESTING_SECRET, header: X-Auth}",
            secrets: ["testing": "s3cret"]
        ) { listener in
            let (id, path) = try await listener.running()
            #expect(try await listener.post(path, Self.success, headers: "X-Auth: guess\r\n") == 200)
            #expect(try await listener.world.task(id).callbacks.finalAt == nil)
            #expect(try await listener.post(path, Self.success, headers: "x-AUTH: s3cret\r\n") == 200)
            #expect(try await listener.world.task(id).callbacks.finalAt != nil)
        }
    }

    @Test func `a delivery that cannot be stored is not acknowledged`() async throws {
        try await withListener { listener in
            let (id, path) = try await listener.running()
            listener.world.store.fail(next: 1, with: .full)
            #expect(try await listener.post(path, Self.success) == 503)
            #expect(try await listener.world.task(id).callbacks.count == 0)
            #expect(try await listener.post(path, Self.success) == 200)
        }
    }

    @Test func `a compressed body is read, and its decoded size counts`() async throws {
        try await withListener { listener in
            let (id, path) = try await listener.running()
            #expect(
                try await listener.post(path, Self.compressedSuccess, headers: "Content-Encoding: gzip\r\n") == 200)
            #expect(try await listener.world.task(id).callbacks.finalAt != nil)
        }
        var limits = CallbackLimits()
        limits.maxBodyBytes = 5_000
        try await withListener(limits: limits) { listener in
            let (id, path) = try await listener.lost()
            #expect(
                try await listener.post(path, Self.compressedSuccess, headers: "Content-Encoding: gzip\r\n") == 400)
            #expect(try await listener.world.task(id).state == .uncertain)
        }
    }

    /// ``success`` with 10,000 spaces, compressed with `gzip -9 | base64`.
    private static let compressedSuccess = Array(
        Data(
            base64Encoded: "H4sIAAAAAAACA+3JQQqDMBBA0auUWVuD21ylFBmSwUpVQjKBgnj39hzlv+07pfWUrDWJXrsN4tre85ol"
                + "Sr1PMkhWV4mPU9ZdF5t73X71ci8thpDyMdpH97JZmMZyLHI9rxsAAAAAAAAAAAAAAAAAAH/gC+9US8BjJwAA")
            ?? Data())

    @Test(arguments: ["nonsense", "", "[", "success=true"])
    func `an unreadable body for a task without a remote id is recorded and requested again`(
        body: String
    ) async throws {
        try await withListener { listener in
            let (id, path) = try await listener.lost()
            #expect(try await listener.post(path, body) == 400)
            #expect(try await listener.world.task(id).callbacks.count == 1)
            #expect(try await listener.world.task(id).state == .uncertain)
            #expect(try await listener.post(path, Self.success) == 200)
            #expect(try await listener.world.task(id).state == .running)
            // The provider can now be polled.
            #expect(try await listener.post(path, body) == 200)
        }
    }

    @Test(arguments: ["POST", "PUT"])
    func `forms are accepted with POST and PUT`(method: String) async throws {
        for body in [
            "success=true&task_id=r-1&data=%5B%7B%22image_url%22%3A%22https%3A%2F%2Fcdn.example%2F1.png%22%7D%5D",
            "payload=%7B%22success%22%3Atrue%2C%22task_id%22%3A%22r-1%22%2C%22data%22%3A%5B%7B%22image_url%22%3A%22u%22%7D%5D%7D",
            Self.success,
        ] {
            try await withListener { listener in
                let (id, path) = try await listener.lost()
                let answer = try await listener.post(
                    path, body, headers: "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n",
                    method: method)
                #expect(answer == 200, "\(body)")
                let task = try await listener.world.task(id)
                #expect(task.state == .running && task.remoteID?.text == "r-1", "\(body)")
                #expect(task.callbacks.finalAt != nil, "\(body)")
            }
        }
    }

    @Test(arguments: [("GET", 200), ("HEAD", 200), ("OPTIONS", 204), ("DELETE", 405), ("PATCH", 405)])
    func `probing the URL with GET or HEAD delivers nothing`(method: String, status: Int) async throws {
        try await withListener { listener in
            let (id, path) = try await listener.lost()
            let answer = try await listener.exchange("\(method) \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(Listener.status(of: answer) == status)
            #expect(answer.contains("POST, PUT") == (status == 204 || status == 405))
            #expect(try await listener.world.task(id).callbacks.count == 0)
            #expect(listener.world.engine.callbacks.monitor?.report.deliveries == 0)
        }
    }

    @Test func `the public URL's path is served with and without the prefix that a proxy strips`() async throws {
        try await withListener(publicURL: "https://pollux.example/behind/a/path") { listener in
            let (id, path) = try await listener.running()
            #expect(path.hasPrefix("/behind/a/path/callbacks/"))
            #expect(try await listener.post(path, Self.success) == 200)
            #expect(try await listener.post(String(path.dropFirst("/behind/a/path".count)), Self.success) == 200)
            #expect(try await listener.post(path.replacing("/a/", with: "/b/"), Self.success) == 404)
            #expect(try await listener.world.task(id).callbacks.count == 2)
        }
    }

    @Test func `repeated header fields become one list`() async throws {
        try await withListener(
            definition: EngineWorld.definition
                + "\ncallback_signature: {algorithm: echo, secret: TESTING_SECRET, header: X-Auth}",
            secrets: ["testing": "s3cret"]
        ) { listener in
            let (id, path) = try await listener.running()
            #expect(try await listener.post(path, Self.success, headers: "X-Auth: old\r\nX-Auth: s3cret\r\n") == 200)
            #expect(try await listener.world.task(id).callbacks.finalAt != nil)
        }
    }

    // MARK: Unknown clients

    @Test(arguments: [
        "GET /callbacks/x", "POST /callbacks/", "POST /callbacks", "POST /", "PUT /callbacks/x", "GET /v1/status",
        "POST /v1/tasks", "GET /healthz", "GET /openapi.json", "POST /callbacks/x/y", "POST /callbacks/../v1/tasks",
        "POST /callbacks/%2e%2e", "OPTIONS /", "POST /callbacks/\(String(repeating: "a", count: 300))",
    ])
    func `nothing else is reachable, and responses reveal nothing`(request: String) async throws {
        try await withListener { listener in
            let answer = try await listener.exchange(
                "\(request) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
            #expect(Listener.status(of: answer) == 404)
            #expect(!answer.lowercased().contains("pollux") && !answer.lowercased().contains("server:"))
            #expect(answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func `an unknown token gets the same response as an unknown path`() async throws {
        try await withListener { listener in
            let (id, path) = try await listener.running()
            #expect(try await listener.post(String(path.dropLast()) + "-", Self.success) == 404)
            #expect(try await listener.world.task(id).callbacks.count == 0)
            #expect(listener.world.engine.callbacks.monitor?.report.unknownTokens == 1)
        }
    }

    @Test(arguments: [
        "NONSENSE\r\n\r\n", "POST /callbacks/x HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /callbacks/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/9.9\r\n\r\n", "POST /callbacks/x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ])
    func `invalid HTTP closes the connection, and the next one is served`(bytes: String) async throws {
        var limits = CallbackLimits()
        // The connection does not reach its maximum lifetime.
        limits.lifetime = .seconds(3_600)
        try await withListener(limits: limits) { listener in
            let answer = try await listener.exchange(bytes)
            #expect([0, 400, 404].contains(Listener.status(of: answer)))
            let (_, path) = try await listener.running()
            #expect(try await listener.post(path, Self.success) == 200)
        }
    }

    @Test func `a client that waits for 100 Continue gets it if its token is known`() async throws {
        try await withListener { listener in
            let (id, path) = try await listener.running()
            func conversation(_ path: String) async throws -> Conversation {
                let conversation = try await listener.open()
                let length = Self.success.utf8.count
                try await conversation.channel.writeAndFlush(
                    ByteBuffer(
                        string:
                            "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\nExpect: 100-continue\r\n\r\n"
                    )
                ).get()
                return conversation
            }
            let known = try await conversation(path)
            await known.said("100 Continue")
            try await known.channel.writeAndFlush(ByteBuffer(string: Self.success)).get()
            let text = try await known.text.get()
            #expect(text.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))
            #expect(try await listener.world.task(id).callbacks.finalAt != nil)
            let unknown = try await conversation(path + "x").text.get()
            #expect(Listener.status(of: unknown) == 404)
        }
    }

    /// No connection reaches its maximum lifetime. A connection that stays open fails the test by its time limit.
    @Test func `a connection closes after its response, even if the request is incomplete`() async throws {
        var limits = CallbackLimits()
        limits.lifetime = .seconds(3_600)
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            for (request, status) in [
                ("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 200),
                ("POST \(path)x HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n{", 404),
                ("POST \(path)x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 404),
                ("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n{", 413),
                ("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n", 200),
            ] {
                #expect(Listener.status(of: try await listener.exchange(request)) == status)
            }
        }
    }

    @Test func `incomplete bodies for unknown tokens do not block real deliveries`() async throws {
        var limits = CallbackLimits()
        limits.maxBytesAtOnce = 100_000
        limits.lifetime = .seconds(3_600)
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            var held: [Conversation] = []
            for number in 0..<20 {
                let half = try await listener.open()
                held.append(half)
                let head = "POST /callbacks/unknown-\(number) HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"
                // The server may never read more than the first few kB.
                half.channel.writeAndFlush(
                    ByteBuffer(string: head + String(repeating: "x", count: 90_000)), promise: nil)
            }
            for half in held { #expect(Listener.status(of: try await half.text.get()) == 404) }
            for _ in 0..<5 {
                #expect(try await listener.post(path, String(repeating: "x", count: 90_000)) == 200)
            }
        }
    }

    // MARK: Set-up

    @Test func `a byte order mark in front of a certificate or a key is skipped`() async throws {
        let good = try Self.identity()
        let directory = try TemporaryDirectory()
        for (path, name) in [(good.certificateFile, "certificate.pem"), (good.keyFile, "key.pem")] {
            let text = try Data(contentsOf: URL(filePath: path))
            try (Data([0xef, 0xbb, 0xbf]) + text).write(to: URL(filePath: directory.file(name)))
        }
        let marked = CallbackAPI.Identity(
            certificateFile: directory.file("certificate.pem"), keyFile: directory.file("key.pem"))
        try await withListener(identity: marked) { listener in
            let status = try await listener.post("/callbacks/unknown", "{}")
            #expect(status == 404)
        }
    }

    @Test func `files without a certificate or key are named`() async throws {
        let world = try await EngineWorld(callbacksAt: "https://pollux.example")
        let good = try Self.identity()
        let wrong = [
            CallbackAPI.Identity(certificateFile: "/nowhere.pem", keyFile: good.keyFile),
            CallbackAPI.Identity(certificateFile: good.certificateFile, keyFile: good.certificateFile),
        ]
        for (identity, name) in zip(
            wrong, ["/nowhere.pem cannot be read", "certificate.pem contains no PEM private key"])
        {
            let error = #expect(throws: CallbackSetUpError.self) {
                _ = try CallbackAPI.server(
                    receiver: world.engine.callbacks, host: "127.0.0.1", port: 0, identity: identity, time: world.time,
                    eventLoopGroup: .testing, logger: .silent
                ) { _ in }
            }
            #expect(error?.message.contains(name) ?? false)
        }
    }
}
