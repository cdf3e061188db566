import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    @Suite struct BadInputTests {
        /// An invalid request and its expected response.
        struct Bad: Sendable {
            let method: String
            let target: String
            var body: String?
            var headers: [String: String] = [:]
            let status: Int
            let code: String
            /// A text that the message must contain.
            var naming: String = ""

            init(
                _ method: String, _ target: String, _ body: String?, headers: [String: String] = [:],
                _ status: Int, _ code: String, naming: String = ""
            ) {
                (self.method, self.target, self.body, self.headers) = (method, target, body, headers)
                (self.status, self.code, self.naming) = (status, code, naming)
            }

            init(_ method: String, _ target: String, _ status: Int, _ code: String, naming: String = "") {
                self.init(method, target, nil, status, code, naming: naming)
            }
        }

        static let unknown = "01a20917-c78a-7d83-bde4-134f74124f91"
        static let good = #"{"endpoint":"flux/images","request":{"prompt":"x"}}"#

        static func submission(_ members: String) -> String { #"{"endpoint":"flux/images","request":{},\#(members)}"# }

        static var submits: [Bad] {
            let path = "/v1/tasks"
            let deep = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
            let open = String(repeating: #"{"a":"#, count: 5_000)
            return [
                Bad("POST", path, "", 400, "invalid_json", naming: "empty"),
                Bad("POST", path, "{", 400, "invalid_json", naming: "byte"),
                Bad("POST", path, good + "x", 400, "invalid_json"),
                Bad("POST", path, good + good, 400, "invalid_json"),
                Bad("POST", path, "{'endpoint':'flux/images'}", 400, "invalid_json"),
                Bad(
                    "POST", path, #"{"endpoint":"flux/images","endpoint":"flux/images","request":{}}"#, 400,
                    "invalid_json"),
                Bad("POST", path, #"{"endpoint":"flux/images","request":{"a":NaN}}"#, 400, "invalid_json"),
                Bad("POST", path, #"{"endpoint":"flux/images","request":{"a":"\ud800"}}"#, 400, "invalid_json"),
                Bad("POST", path, deep, 400, "invalid_json", naming: "deep"),
                Bad("POST", path, open, 400, "invalid_json"),
                Bad("POST", path, #"{"endpoint":"flux/images","request":\#(deep)}"#, 400, "invalid_json"),
                Bad("POST", path, "[]", 422, "invalid_field", naming: "object"),
                Bad("POST", path, "null", 422, "invalid_field", naming: "object"),
                Bad("POST", path, "7", 422, "invalid_field", naming: "object"),
                Bad("POST", path, "{}", 422, "missing_field", naming: "endpoint"),
                Bad("POST", path, #"{"endpoint":"flux/images"}"#, 422, "missing_field", naming: "request"),
                Bad("POST", path, #"{"endpoint":"","request":{}}"#, 422, "invalid_field", naming: "endpoint"),
                Bad("POST", path, #"{"endpoint":7,"request":{}}"#, 422, "invalid_field", naming: "endpoint"),
                Bad("POST", path, #"{"endpoint":"flux/images","request":[]}"#, 422, "invalid_field", naming: "request"),
                Bad(
                    "POST", path, #"{"endpoint":"flux/images","request":null}"#, 422, "missing_field", naming: "request"
                ),
                Bad(
                    "POST", path, #"{"endpoint":"flux/imagez","request":{}}"#, 422, "unknown_endpoint",
                    naming: "flux/images"),
                Bad(
                    "POST", path, #"{"endpoint":"midjorney/imagine","request":{}}"#, 422, "unknown_endpoint",
                    naming: "midjourney/imagine"),
                Bad("POST", path, #"{"endpoint":"../../etc/passwd","request":{}}"#, 422, "unknown_endpoint"),
                Bad("POST", path, submission(#""promt":"x""#), 422, "unknown_field", naming: "promt"),
                Bad("POST", path, submission(#""not_befor":"x""#), 422, "unknown_field", naming: "not_before"),
                Bad("POST", path, submission(#""not_before":"tomorrow""#), 422, "invalid_field", naming: "not_before"),
                Bad(
                    "POST", path, submission(#""not_before":"2026-02-30T00:00:00Z""#), 422, "invalid_field",
                    naming: "not_before"),
                Bad(
                    "POST", path, submission(#""deadline":"2020-01-01T00:00:00Z""#), 422, "invalid_field",
                    naming: "deadline"),
                Bad("POST", path, submission(#""deadline":1795449047"#), 422, "invalid_field", naming: "deadline"),
                Bad("POST", path, submission(#""priority":1001"#), 422, "invalid_field", naming: "priority"),
                Bad("POST", path, submission(#""priority":1.5"#), 422, "invalid_field", naming: "priority"),
                Bad("POST", path, submission(#""priority":1e400"#), 422, "invalid_field", naming: "priority"),
                Bad(
                    "POST", path, submission(#""priority":99999999999999999999"#), 422, "invalid_field",
                    naming: "priority"),
                Bad("POST", path, submission(#""labels":["a"]"#), 422, "invalid_field", naming: "labels"),
                Bad("POST", path, submission(#""labels":{"a":1}"#), 422, "invalid_field", naming: "labels"),
                Bad("POST", path, submission(#""labels":{"":"a"}"#), 422, "invalid_field", naming: "labels"),
                Bad(
                    "POST", path, submission(#""on_uncertain":"retry""#), 422, "invalid_field",
                    naming: "resubmit_if_absent"),
                Bad(
                    "POST", path, submission(#""idempotency_key":"""#), 422, "invalid_field", naming: "idempotency_key"),
                Bad(
                    "POST", path, submission(#""idempotency_key":"ü""#), 422, "invalid_field", naming: "idempotency_key"
                ),
                Bad(
                    "POST", path, submission(#""idempotency_key":"a""#), headers: ["Idempotency-Key": "b"], 422,
                    "invalid_field",
                    naming: "Idempotency-Key"),
                Bad(
                    "POST", path, good, headers: ["Idempotency-Key": "a b"], 422, "invalid_field",
                    naming: "idempotency_key"),
                Bad(
                    "POST", path, good, headers: ["Content-Type": "multipart/form-data; boundary=x"], 415,
                    "unsupported_media_type"),
                Bad("POST", path + "?dry_run=1", good, 400, "invalid_parameter", naming: "dry_run"),
            ]
        }

        static var others: [Bad] {
            [
                Bad("GET", "/v1/tasks?state=runing", 400, "invalid_parameter", naming: "running"),
                Bad("GET", "/v1/tasks?state=", 400, "invalid_parameter", naming: "state"),
                Bad("GET", "/v1/tasks?endpoint=flux", 400, "invalid_parameter", naming: "service/operation"),
                Bad("GET", "/v1/tasks?label=x", 400, "invalid_parameter", naming: "name:value"),
                Bad("GET", "/v1/tasks?limit=-1", 400, "invalid_parameter", naming: "limit"),
                Bad("GET", "/v1/tasks?limit=0", 400, "invalid_parameter", naming: "limit"),
                Bad("GET", "/v1/tasks?limit=501", 400, "invalid_parameter", naming: "500"),
                Bad("GET", "/v1/tasks?limit=99999999999999999999", 400, "invalid_parameter", naming: "limit"),
                Bad("GET", "/v1/tasks?limit=5&limit=6", 400, "invalid_parameter", naming: "once"),
                Bad("GET", "/v1/tasks?limt=5", 400, "invalid_parameter", naming: "limit"),
                Bad("GET", "/v1/tasks?cursor=abc", 400, "invalid_parameter", naming: "cursor"),
                Bad("GET", "/v1/tasks?cursor=", 400, "invalid_parameter", naming: "cursor"),
                Bad("GET", "/v1/tasks?cursor=9223372036854775808", 400, "invalid_parameter", naming: "cursor"),
                Bad("GET", "/v1/tasks?cursor=%00%ff", 400, "invalid_parameter", naming: "cursor"),
                Bad("GET", "/v1/tasks?created_after=yesterday", 400, "invalid_parameter", naming: "created_after"),
                Bad(
                    "GET", "/v1/tasks?created_before=2026-13-01T00:00:00Z", 400, "invalid_parameter",
                    naming: "created_before"),
                Bad("GET", "/v1/tasks/\(unknown)", 404, "task_not_found", naming: unknown),
                Bad("GET", "/v1/tasks/zzz", 404, "task_not_found", naming: "zzz"),
                Bad("GET", "/v1/tasks/%27%20OR%201=1--", 404, "task_not_found"),
                Bad("GET", "/v1/tasks/%25", 404, "task_not_found"),
                Bad("GET", "/v1/tasks/\(unknown)?wait_seconds=-1", 400, "invalid_parameter", naming: "wait_seconds"),
                Bad("GET", "/v1/tasks/\(unknown)?wait_seconds=301", 400, "invalid_parameter", naming: "300"),
                Bad("GET", "/v1/tasks/\(unknown)?wait_seconds=nan", 400, "invalid_parameter", naming: "wait_seconds"),
                Bad("GET", "/v1/tasks/\(unknown)?wait=5", 400, "invalid_parameter", naming: "wait_seconds"),
                Bad("GET", "/v1/tasks/\(unknown)/events", 404, "task_not_found"),
                Bad("POST", "/v1/tasks/\(unknown)/cancel", 404, "task_not_found"),
                Bad("POST", "/v1/tasks/\(unknown)/reopen", 404, "task_not_found"),
                Bad("POST", "/v1/tasks/\(unknown)/resolve", #"{"as":"resubmit"}"#, 404, "task_not_found"),
                Bad("POST", "/v1/tasks/\(unknown)/resolve", "", 400, "invalid_json"),
                Bad(
                    "POST", "/v1/tasks/\(unknown)/resolve", #"{"as":"retry"}"#, 422, "invalid_field", naming: "give_up"),
                Bad(
                    "POST", "/v1/tasks/\(unknown)/resolve", #"{"as":"adopt"}"#, 422, "missing_field",
                    naming: "remote_id"),
                Bad(
                    "POST", "/v1/tasks/\(unknown)/resolve", #"{"as":"give_up","remote_id":"x"}"#, 422, "invalid_field",
                    naming: "remote_id"),
                Bad("POST", "/v1/tasks/adopt", "{", 400, "invalid_json"),
                Bad(
                    "POST", "/v1/tasks/adopt", #"{"endpoint":"flux/images"}"#, 422, "missing_field", naming: "remote_id"
                ),
                Bad(
                    "POST", "/v1/tasks/adopt", #"{"endpoint":"flux/images","remote_id":"a b"}"#, 422, "invalid_field",
                    naming: "remote_id"),
                Bad(
                    "POST", "/v1/tasks/adopt", #"{"endpoint":"flux/imags","remote_id":"a"}"#, 422, "unknown_endpoint",
                    naming: "flux/images"),
                Bad(
                    "POST", "/v1/tasks/adopt", #"{"endpoint":"flux/images","remote_id":"a","request":{}}"#, 422,
                    "unknown_field", naming: "request"),
                Bad("POST", "/v1/endpoints/flux/imags/pause", 404, "endpoint_not_found", naming: "flux/images"),
                Bad("POST", "/v1/endpoints/nothing/there/resume", 404, "endpoint_not_found"),
                Bad("GET", "/v1/endpoints?x=1", 400, "invalid_parameter", naming: "x"),
                Bad("GET", "/v1/status?x=1", 400, "invalid_parameter", naming: "x"),
                Bad("GET", "/v2/tasks", 404, "no_such_route", naming: "openapi"),
                Bad("GET", "/", 404, "no_such_route"),
                Bad("GET", "//v1//tasks//x//y", 404, "no_such_route"),
                Bad("GET", "/v1/../../etc/passwd", 404, "no_such_route"),
                Bad("DELETE", "/v1/tasks", 405, "method_not_allowed", naming: "POST"),
                Bad("PUT", "/v1/tasks/\(unknown)", 405, "method_not_allowed", naming: "GET"),
                Bad("GET", "/v1/tasks/\(unknown)/cancel", 405, "method_not_allowed", naming: "POST"),
                Bad("POST", "/v1/status", 405, "method_not_allowed", naming: "GET"),
                Bad("PATCH", "/healthz", 405, "method_not_allowed", naming: "GET"),
                Bad("OPTIONS", "/v1/endpoints", 405, "method_not_allowed", naming: "GET"),
                Bad("PROPFIND", "/v1/tasks", 405, "method_not_allowed"),
            ]
        }

        /// Whether the text is a sentence, not only a code or a name.
        private static func isSentence(_ text: String) -> Bool { text.split(separator: " ").count >= 3 }

        @Test func `invalid input is rejected with a status, a code and a sentence, and changes nothing`() async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("veo/videos", ["prompt": "kept [seconds=10]"]).at("id").string ?? ""
                for bad in Self.submits + Self.others {
                    let what = Comment(
                        rawValue: "\(bad.method) \(bad.target) \((bad.body ?? "").prefix(80)) \(bad.headers)")
                    let reply = try await world.daemon.ask(bad.method, bad.target, bad.body, headers: bad.headers)
                    #expect(reply.status == bad.status, what)
                    #expect(reply.headers["content-type"] == "application/problem+json", what)
                    let problem = try reply.json
                    #expect(problem.at("code").string == bad.code, what)
                    #expect(problem.at("status").integer == bad.status, what)
                    let detail = problem.at("detail").string ?? ""
                    #expect(
                        Self.isSentence(detail) && (bad.naming.isEmpty || detail.contains(bad.naming)),
                        "\(what.rawValue) \(reply.text)")
                }
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 1)
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a request that does not fit a task's state is rejected and explained`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit(
                        "veo/videos", ["prompt": "x [seconds=10]"], with: ["idempotency_key": "k"]
                    )
                    .at("id").string ?? ""
                _ = try await world.daemon.ended(id)
                for (path, body) in [("cancel", nil), ("reopen", nil), ("resolve", #"{"as":"resubmit"}"#)]
                    as [(String, String?)]
                {
                    let reply = try await world.daemon.ask("POST", "/v1/tasks/\(id)/\(path)", body)
                    #expect(reply.status == 409)
                    #expect(try reply.json.at("detail").string?.contains("succeeded") == true, "\(reply.text)")
                }
                let events = try await world.daemon.ask("GET", "/v1/tasks/\(id)/events?after=-1")
                #expect(events.status == 400)
                #expect(try events.json.at("code").string == "invalid_parameter")
                let other = try await world.daemon.ask(
                    "POST", "/v1/tasks",
                    json: world.daemon.submission("veo/videos", ["prompt": "y"], with: ["idempotency_key": "k"]))
                #expect(other.status == 409)
                #expect(try other.json.at("code").string == "idempotency_key_reused")
                #expect(try other.json.at("existing_id").string == id)
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test(arguments: ["/v1/tasks", "/v1/tasks/adopt", "/v1/tasks/\(unknown)/resolve"])
        func `a body of 20 MB is rejected without being read`(path: String) async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let body =
                    #"{"endpoint":"flux/images","request":{"prompt":""# + String(repeating: "x", count: 20 << 20)
                    + #""}}"#
                let reply = try await world.daemon.ask("POST", path, body)
                #expect(reply.status == 413)
                #expect(try reply.json.at("code").string == "body_too_large")
                let chunked = try await onThread {
                    let connection = try world.daemon.connect()
                    try connection.write("POST \(path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                    do {
                        for _ in 0..<20 {
                            try connection.write("100000\r\n" + String(repeating: "x", count: 1 << 20) + "\r\n")
                        }
                        try connection.write("0\r\n\r\n")
                    } catch is Connection.Closed {}
                    return try connection.reply()
                }
                #expect(chunked.status == 413)
                #expect(try chunked.json.at("code").string == "body_too_large")
                #expect(try await world.daemon.ask("GET", "/healthz").status == 200)
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array == [])
            }
        }

        @Test func `a large body is rejected before it is read, on every route`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let body = String(repeating: "x", count: 20 << 20)
                for (method, path) in [
                    ("GET", "/v1/status"), ("POST", "/v1/tasks/\(Self.unknown)/cancel"), ("POST", "/nowhere"),
                ] {
                    #expect(try await world.daemon.ask(method, path, body).status == 413)
                }
                #expect(try await world.daemon.ask("GET", "/healthz").status == 200)
            }
        }
    }
}
