import Foundation
import HTTPTypes
import LocalAPI
import LocalAPIContract
import SQLiteDriver
import TaskStore
import TaskTesting
import TaskModel
import Testing
import VerbatimJSON

@Suite struct OtherRoutesTests {
    @Test func `adopting a remote id again returns the same task`() async throws {
        try await APIHarness.run { api in
            let body = #"{"endpoint":"suno/audios","remote_id":"abc-1","labels":{"a":"b"}}"#
            let first = try await api.ask(.post, "/v1/tasks/adopt", body)
            #expect(first.status == 201)
            #expect(first.json["state"] == "running")
            #expect(first.json["remote_id"] == "abc-1")
            #expect(first.json["request"] == .null)
            let second = try await api.ask(.post, "/v1/tasks/adopt", body)
            #expect(second.status == 200)
            #expect(second.json["id"] == first.json["id"])
            let other = try await api.ask(
                .post, "/v1/tasks/adopt", #"{"endpoint":"suno/wav","remote_id":"abc-1"}"#)
            #expect(other.status == 409)
            #expect(other.problemCode == "remote_id_taken")
        }
    }

    @Test func `lists and tasks are compared, and an invalid comparison is refused`() async throws {
        try await APIHarness.run { api in
            let reply = try await api.ask(.post, "/v1/reconcile", #"{"provider":"google"}"#)
            #expect(reply.status == 200, "\(reply.text)")
            #expect(reply.json["agrees"] == true && reply.json["complete"] == true)
            #expect(reply.json["lists"]?.array?.first?["condition"] == "none")
            for (body, code) in [
                (#"{"since":"yesterday"}"#, "invalid_field"), (#"{"since":"2999-01-01T00:00:00Z"}"#, "invalid_field"),
                (#"{"provider":"nobody"}"#, "invalid_field"), (#"{"adopted":true}"#, "unknown_field"),
            ] {
                let refused = try await api.ask(.post, "/v1/reconcile", body)
                #expect(refused.status == 422 && refused.problemCode == code, "\(refused.text)")
            }
            #expect(try await api.ask(.get, "/v1/reconcile").status == 405)
        }
    }

    @Test(arguments: [
        (#"{"endpoint":"suno/audios"}"#, "missing_field"),
        (#"{"endpoint":"suno/audios","remote_id":""}"#, "invalid_field"),
        (#"{"endpoint":"suno/audios","remote_id":"a b"}"#, "invalid_field"),
        (#"{"endpoint":"suno/nope","remote_id":"a"}"#, "unknown_endpoint"),
        (#"{"endpoint":"suno/audios","remote_id":"a","request":{}}"#, "unknown_field"),
    ])
    func `an invalid adoption is refused`(body: String, code: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks/adopt", body)
            #expect(answer.status == 422)
            #expect(answer.problemCode == code, "\(answer.text)")
        }
    }

    @Test func `cancel, reopen and resolve are refused in states that do not allow them`() async throws {
        try await APIHarness.run { api in
            let queued = try await api.submit("1")
            #expect(try await api.ask(.post, "/v1/tasks/\(queued)/reopen").problemCode == "not_reopenable")
            for way in [#"{"as":"resubmit"}"#, #"{"as":"give_up"}"#, #"{"as":"adopt","remote_id":"x"}"#] {
                let answer = try await api.ask(.post, "/v1/tasks/\(queued)/resolve", way)
                #expect(answer.status == 409)
                #expect(answer.problemCode == "not_uncertain")
                #expect(answer.json["existing_id"]?.string == queued)
            }
            #expect(try await api.ask(.post, "/v1/tasks/\(queued)/cancel").json["state"] == "cancelled")
            #expect(try await api.ask(.post, "/v1/tasks/\(queued)/cancel").problemCode == "already_ended")
            let adopted = try await api.ask(
                .post, "/v1/tasks/adopt", #"{"endpoint":"suno/audios","remote_id":"r"}"#)
            let id = try #require(adopted.json["id"]?.string)
            try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/reopen").json["state"] == "running")
            let log = try await api.ask(.get, "/v1/tasks/\(id)/events").json["events"]?.array ?? []
            #expect(log.map { $0["kind"]?.string } == ["tracked", "cancelled", "reopened"])
        }
    }

    @Test(arguments: [
        "{}", #"{"as":"adopt"}"#, #"{"as":"pray"}"#, #"{"as":"resubmit","remote_id":"x"}"#, #"{"as":"give_up","x":1}"#,
    ])
    func `an invalid resolution is refused`(body: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks/\(try await api.submit("1"))/resolve", body)
            #expect(answer.status == 422)
            #expect(answer.problemCode != nil)
        }
    }

    @Test func `a person resolves an uncertain task`() async throws {
        try await APIHarness.run { api in
            for (way, state, resolution) in [
                (#"{"as":"resubmit"}"#, "queued", "resubmitted"), (#"{"as":"give_up"}"#, "failed", "given_up"),
                (#"{"as":"adopt","remote_id":"r9"}"#, "running", "adopted"),
            ] {
                let id = try await api.submit(way.replacing("\"", with: ""))
                let task = try #require(TaskID(id))
                let now = APIHarness.start
                _ = try await api.store.apply(.submissionStarted(), to: task, under: .testing, at: now, nextDueAt: now)
                _ = try await api.store.apply(
                    .submissionInterrupted(TaskFailure(code: "reply_lost", message: "lost"), isProbablyRefused: false),
                    to: task, at: now, nextDueAt: now)
                #expect(try await api.ask(.get, "/v1/tasks/\(id)").json["waiting_for"]?["code"] == "no_token")
                #expect(try await api.ask(.post, "/v1/tasks/\(id)/cancel").problemCode == "needs_resolution")
                let answer = try await api.ask(.post, "/v1/tasks/\(id)/resolve", way)
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.json["state"]?.string == state)
                #expect(answer.json["resolution"]?.string == resolution)
            }
        }
    }

    @Test func `an endpoint is paused and resumed`() async throws {
        try await APIHarness.run { api in
            let paused = try await api.ask(.post, "/v1/endpoints/flux/images/pause")
            #expect(paused.json["state"] == "paused")
            let list = try await api.ask(.get, "/v1/endpoints").json["endpoints"]?.array ?? []
            #expect(list.first { $0["name"] == "flux/images" }?["state"] == "paused")
            #expect(list.first { $0["name"] == "suno/audios" }?["state"] == "open")
            #expect(try await api.ask(.post, "/v1/endpoints/flux/images/resume").json["state"] == "open")
            let unknown = try await api.ask(.post, "/v1/endpoints/flux/image/pause")
            #expect(unknown.status == 404)
            #expect(unknown.problemCode == "endpoint_not_found")
            #expect(unknown.json["nearest"]?.array?.first == "flux/images")
        }
    }

    @Test func `an endpoint is shown by its name with encoded slashes`() async throws {
        try await APIHarness.run { api in
            let flux = try await api.ask(.get, "/v1/endpoints/flux/images")
            #expect(flux.status == 200)
            #expect(flux.json["kind"] == "image")
            #expect(flux.json["answers"] == "asynchronously")
            #expect(flux.json["batch_size"] == 50)
            #expect(flux.json["listing"] == "vendor_code")
            #expect(flux.json["example"]?["prompt"]?.string?.isEmpty == false)
            #expect(flux.json["unrecognised"] == .null)
            let all = try await api.ask(.get, "/v1/endpoints").json["endpoints"]?.array ?? []
            #expect(all.contains(flux.json))
            let path = LocalAPIRoute.endpoint.path("openai", "images/generations")
            #expect(try await api.ask(.get, path).json["name"] == "openai/images/generations")
            let pause = LocalAPIRoute.pause.path("openai", "images/generations")
            #expect(try await api.ask(.post, pause).json["state"] == "paused")
        }
    }

    @Test(arguments: [("flux/image", "flux/images"), ("openai/images%2Fgeneration", "openai/images/generations")])
    func `an unknown endpoint is not found, and the nearest one is suggested`(
        path: String, nearest: String
    ) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.get, "/v1/endpoints/\(path)")
            #expect(answer.status == 404)
            #expect(answer.problemCode == "endpoint_not_found")
            #expect(answer.json["nearest"]?.array?.first?.string == nearest)
        }
    }

    @Test(arguments: ["face/swap", "face/analyze", "kickart/template-videos"])
    func `a synchronous endpoint is refused with the reason`(name: String) async throws {
        try await APIHarness.run { api in
            let submitted = try await api.ask(.post, "/v1/tasks", #"{"endpoint":"\#(name)","request":{}}"#)
            let tracked = try await api.ask(
                .post, "/v1/tasks/adopt", #"{"endpoint":"\#(name)","remote_id":"x"}"#)
            for answer in [submitted, tracked] {
                #expect(answer.status == 422)
                #expect(answer.problemCode == "synchronous_endpoint", "\(answer.text)")
                #expect(answer.json["detail"]?.string?.contains("the reply is the result") == true)
                #expect(answer.json["fields"] == ["endpoint"])
            }
            let shown = try await api.ask(.get, "/v1/endpoints/\(name)")
            #expect(shown.problemCode == "endpoint_not_found")
            #expect(shown.json["detail"]?.string?.contains("synchronously") == true)
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"] == [])
        }
    }

    @Test func `status and health routes show the state of the daemon`() async throws {
        try await APIHarness.run { api in
            _ = try await api.submit("1")
            let status = try await api.ask(.get, "/v1/status").json
            #expect(status["version"] == "1.2.3")
            #expect(status["tasks"]?["queued"] == 1)
            #expect(status["providers"]?.array?.first?["token"] == "missing")
            #expect(try await api.ask(.get, "/healthz").json["status"] == "ok")
            #expect(try await api.ask(.get, "/readyz").json["status"] == "ready")
            // The database file is moved away while the daemon runs.
            let path = try await api.store.info().path
            try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
            for answer in [
                try await api.ask(.get, "/readyz"),
                try await api.ask(.post, "/v1/tasks", #"{"endpoint": "flux/images", "request": {"prompt": "x"}}"#),
            ] {
                #expect(answer.status == 503, "\(answer.text)")
                #expect(answer.json["code"] == "storage_replaced", "\(answer.text)")
            }
            try FileManager.default.moveItem(atPath: path + ".aside", toPath: path)
            #expect(try await api.ask(.get, "/readyz").status == 200)
        }
    }

    @Test func `an unsupported method is refused with the allowed ones`() async throws {
        try await APIHarness.run { api in
            for route in LocalAPIRoute.allCases {
                let path = route.path("0199", "x")
                let webDAV = try #require(HTTPRequest.Method("PROPFIND"))
                for method: HTTPRequest.Method in [
                    .get, .post, .put, .patch, .delete, .options, .trace, .connect, webDAV,
                ]
                where !route.methods.contains(method) {
                    let answer = try await api.ask(method, path)
                    #expect(answer.status == 405, "\(method) \(path)")
                    #expect(answer.problemCode == "method_not_allowed")
                    #expect(answer.headers[.allow]?.isEmpty == false)
                }
            }
            for path in ["/", "/v1", "/v2/tasks", "/v1/tasks/a/b/c", "/openapi.yaml"] {
                #expect(try await api.ask(.get, path).problemCode == "no_such_route", "\(path)")
            }
        }
    }

    @Test func `the OpenAPI document lists the routes and methods that exist`() async throws {
        try await APIHarness.run { api in
            let document = try await api.ask(.get, "/openapi.json").json
            #expect(document["openapi"]?.string?.hasPrefix("3.1") == true)
            let paths = try #require(document["paths"]?.object)
            #expect(Set(paths.names) == Set(LocalAPIRoute.allCases.map(\.rawValue)))
            for route in LocalAPIRoute.allCases {
                let described = paths[route.rawValue]?.object?.names.filter { $0 != "parameters" } ?? []
                #expect(Set(described) == Set(route.methods.map { $0.rawValue.lowercased() }), "\(route.rawValue)")
                // A listed method must be routed: neither 405 nor "no such route".
                for method in route.methods {
                    // A stream would not end.
                    let query = route == .stream ? "?after=x" : ""
                    let answer = try await api.ask(method, route.path("0199", "x") + query)
                    #expect(
                        ![405, 500].contains(answer.status) && answer.problemCode != "no_such_route",
                        "\(route.rawValue)")
                }
            }
        }
    }

    @Test func `every response has exactly the fields of the OpenAPI document`() async throws {
        try await APIHarness.run { api in
            let document = try await api.ask(.get, "/openapi.json").json
            let schemas = try #require(document["components"]?["schemas"])
            let task = try await api.ask(.get, "/v1/tasks/\(try await api.submit("1"))").json
            let endpoint = try #require(try await api.ask(.get, "/v1/endpoints").json["endpoints"]?.array?.first)
            let status = try await api.ask(.get, "/v1/status").json
            for (schema, answer) in [("Task", task), ("Endpoint", endpoint), ("Status", status)] {
                let described = try #require(schemas[schema]?["properties"]?.object?.names, "\(schema)")
                #expect(Set(try #require(answer.object?.names)) == Set(described), "\(schema)")
            }
        }
    }
}
