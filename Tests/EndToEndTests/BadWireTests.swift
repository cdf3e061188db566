import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Clients that violate HTTP or are slow.
    @Suite struct BadWireTests {
        static let good = #"{"endpoint":"flux/images","request":{"prompt":"x [seconds=10]"}}"#

        /// Bytes that are not a request, or not a complete one.
        static let garbage: [(name: String, bytes: [UInt8])] = [
            ("nothing but line ends", Array("\r\n\r\n\r\n\r\n".utf8)),
            ("zeros", [UInt8](repeating: 0, count: 4_096)),
            ("every byte", (0...255).map { UInt8($0) }),
            ("a TLS greeting", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
            ("HTTP/2's preface", Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)),
            ("another protocol", Array("SELECT * FROM task;\n".utf8)),
            ("no version", Array("GET /v1/tasks\r\n\r\n".utf8)),
            ("an old version", Array("GET /v1/tasks HTTP/0.9\r\n\r\n".utf8)),
            ("no colon", Array("GET /v1/status HTTP/1.1\r\nHost x\r\n\r\n".utf8)),
            ("a zero in a header", Array("GET /v1/status HTTP/1.1\r\nHost: x\0y\r\n\r\n".utf8)),
            ("a negative length", Array("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}".utf8)),
            (
                "a length that is a word",
                Array("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n{}".utf8)
            ),
            (
                "an enormous length",
                Array("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}".utf8)
            ),
            (
                "two lengths",
                Array("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".utf8)
            ),
            (
                "length and chunks",
                Array(
                    "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                        .utf8)
            ),
            (
                "a chunk size that is none",
                Array(
                    "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".utf8
                )
            ),
            (
                "a chunk of negative size",
                Array(
                    "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n".utf8
                )
            ),
            ("half a head", Array("POST /v1/tasks HT".utf8)),
            (
                "half a body",
                Array(
                    "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: \(good.utf8.count)\r\n\r\n\(good.prefix(30))"
                        .utf8)
            ),
            (
                "half a chunk",
                Array(
                    "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n\(good.prefix(30))"
                        .utf8)
            ),
            (
                "a huge target",
                Array("GET /v1/tasks?cursor=\(String(repeating: "x", count: 150_000)) HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
            ),
            (
                "a huge header",
                Array("GET /v1/status HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "x", count: 150_000))\r\n\r\n".utf8)
            ),
            (
                "many headers",
                Array("GET /v1/status HTTP/1.1\r\nHost: x\r\n\(String(repeating: "X: y\r\n", count: 10_000))\r\n".utf8)
            ),
        ]

        @Test func `bytes that are not a request close only their connection`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                for (name, bytes) in Self.garbage {
                    let answer = try await onThread { () -> String in
                        let connection = try world.daemon.connect()
                        do { try connection.write(bytes) } catch is Connection.Closed {}
                        connection.finishWriting()
                        do { return String(decoding: try connection.rest(), as: UTF8.self) } catch is Connection.Closed
                        { return "" }
                    }
                    #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(name): \(answer.prefix(200))")
                    #expect(try await world.daemon.ask("GET", "/healthz").status == 200, "\(name)")
                }
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array == [])
                #expect(try await world.sandbox.ledger().billed == 0)
            }
        }

        @Test func `idle and slow connections do not block others`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let idle = try await onThread { try (0..<100).map { _ in try world.daemon.connect() } }
                let slow = try await onThread {
                    try (0..<20).map { number in
                        let connection = try world.daemon.connect()
                        try connection.write("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nX-Slow-\(number): ")
                        return connection
                    }
                }
                for number in 0..<10 {
                    let text = "x [seconds=10] \(number)"
                    _ = try await world.daemon.submit("flux/images", ["prompt": .string(text)])
                    for connection in slow { try connection.write("x") }
                }
                for task in try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array ?? [] {
                    #expect(try await world.daemon.ended(task.at("id").string ?? "").at("state").string == "succeeded")
                }
                // A slow request is served once it is complete.
                let late = try await onThread {
                    try slow[0].write("\r\nContent-Length: \(Self.good.utf8.count)\r\n\r\n")
                    for byte in Self.good.utf8 { try slow[0].write([byte]) }
                    return try slow[0].reply()
                }
                #expect(late.status == 201)
                // So is an idle connection that finally sends a request.
                let health = try await onThread {
                    try idle[99].write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    return try idle[99].reply()
                }
                #expect(health.status == 200)
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 11)
            }
        }

        @Test func `chunked and pipelined requests are understood`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let replies = try await onThread {
                    let connection = try world.daemon.connect()
                    let half = Self.good.utf8.count / 2
                    try connection.write(
                        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                            + "\(String(half, radix: 16))\r\n\(Self.good.prefix(half))\r\n"
                            + "\(String(Self.good.utf8.count - half, radix: 16))\r\n\(Self.good.dropFirst(half))\r\n0\r\n\r\n"
                            + "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                            + "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
                            + "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: \(Self.good.utf8.count)\r\n\r\n\(Self.good)"
                            + "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    return try (0..<4).map { _ in try connection.reply() } + [try connection.head()]
                }
                #expect(replies.map(\.status) == [201, 404, 400, 201, 200])
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 2)
            }
        }

        @Test func `an invalid line of a batch fails alone, in its position`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let lines = [
                    Self.good, "{", "", #"{"endpoint":"flux/imags","request":{}}"#, Self.good, "\u{1}\u{2}",
                    #"{"endpoint":"flux/images","request":{},"unknown":1}"#, "[]", Self.good,
                ]
                let reply = try await world.daemon.ask(
                    "POST", "/v1/tasks", lines.joined(separator: "\n"),
                    headers: ["Content-Type": "application/x-ndjson"])
                #expect(reply.status == 200)
                let answers = try reply.text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
                // A task is returned in its current state, which may have changed.
                let codes = answers.map { $0.at("code").string ?? ($0.at("id").string == nil ? "" : "task") }
                #expect(
                    codes == [
                        "task", "invalid_json", "unknown_endpoint", "task", "invalid_json", "unknown_field",
                        "invalid_field", "task",
                    ])
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 3)
            }
        }

        @Test func `a client that sends all lines before it reads gets all responses in order`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let count = 5_000
                let answered = try await onThread {
                    let connection = try world.daemon.connect()
                    let lines = (0..<count).map {
                        #"{"endpoint":"flux/images","request":{"prompt":"\#($0)"},"not_before":"2199-01-01T00:00:00Z"}"#
                            + "\n"
                    }.joined()
                    try connection.write(
                        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                            + "Content-Length: \(lines.utf8.count)\r\n\r\n" + lines)
                    _ = try connection.head()
                    var text: [UInt8] = []
                    while let part = try connection.chunk() { text += part }
                    return text
                }
                let prompts = try answered.split(separator: UInt8(ascii: "\n")).map {
                    try JSONValue(parsing: $0).at("request").at("prompt").string
                }
                #expect(prompts == (0..<count).map { String($0) })
            }
        }

        @Test func `a connection cut during a batch loses no confirmed submission`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let answered = try await onThread {
                    let connection = try world.daemon.connect()
                    try connection.write(
                        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
                    )
                    var ids: [String] = []
                    for number in 0..<20 {
                        let line = #"{"endpoint":"flux/images","request":{"prompt":"\#(number) [seconds=10]"}}"# + "\n"
                        try connection.write("\(String(line.utf8.count, radix: 16))\r\n\(line)\r\n")
                        if number == 0 { _ = try connection.head() }
                        let answer = try JSONValue(parsing: try connection.chunk() ?? [])
                        ids.append(answer.at("id").string ?? "")
                    }
                    // Sends half a line more, then closes.
                    try connection.write("20\r\n{\"endpoint\":\"flux/images\",\"reque")
                    connection.cut()
                    return ids
                }
                for id in answered { #expect(try await world.daemon.ended(id).at("state").string == "succeeded") }
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 20)
                #expect(try await world.sandbox.ledger().billed == 20)
            }
        }

        @Test func `clients that disconnect while waiting leave no resources in use`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=120]"]).at("id").string ?? ""
                try await onThread {
                    for _ in 0..<600 {
                        let connection = try world.daemon.connect()
                        try connection.write("GET /v1/tasks/\(id)?wait_seconds=300 HTTP/1.1\r\nHost: x\r\n\r\n")
                        connection.cut()
                    }
                }
                // There are more connections than the server's limit, so closed ones must be noticed.
                #expect(try await world.daemon.ask("GET", "/healthz").status == 200)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            }
        }
    }
}
