import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the requests of declared endpoints.
@Suite struct DeclaredRequestTests: DeclaredDialectFixture {
    // MARK: Requests

    @Test func `members of the request fill the path and the headers and are removed from the body`() throws {
        let profile = try endpoint(
            """
                submit:
                  path: "/v1/{+model}/make"
                  query: {mode: "{mode}"}
                  headers: {X-Engine: "{engine}"}
                  set: {async: true}
                  callback: {member: webhook}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
            \(Self.rest)
            """)
        let request = try JSONValue(
            parsing: #"{"model":"a/b c","prompt":"x","seed":12345678901234567890,"engine":"s1"}"#)
        let sent = try profile.dialect.submission(
            of: try #require(request.object), callbackURL: "https://me.example/c", ownID: nil)
        #expect(sent.method == "POST" && sent.path == "/v1/a/b%20c/make")
        #expect(sent.headers == ["X-Engine": "s1"])
        #expect(
            String(decoding: sent.body ?? [], as: UTF8.self)
                == #"{"prompt":"x","seed":12345678901234567890,"async":true,"webhook":"https://me.example/c"}"#)
    }

    @Test(arguments: [#"{}"#, #"{"model":""}"#, #"{"model":"../admin"}"#, #"{"model":"a//b"}"#, #"{"model":["a"]}"#])
    func `a request without the members of the path is rejected before it is sent`(body: String) throws {
        let profile = try endpoint(Self.plain.replacing("/v1/make", with: "/v1/{+model}/make"))
        #expect(profile.dialect.problem(with: try #require(try JSONValue(parsing: body).object))?.field == "model")
    }

    @Test func `a callback URL may be sent in the query`() throws {
        let profile = try endpoint(Self.plain.replacing("make\"}", with: "make\", callback: {query: hook}}"))
        let sent = try profile.dialect.submission(
            of: JSONObject(), callbackURL: "https://me.example/c?a=1", ownID: nil)
        #expect(sent.path == "/v1/make?hook=https%3A%2F%2Fme.example%2Fc%3Fa%3D1")
    }

    @Test func `a poll may have its own method, body and query`() throws {
        let profile = try endpoint(
            Self.plain.replacing(
                "poll: {path: \"/v1/tasks/{id}\"",
                with: "poll: {method: POST, path: /q, query: {t: \"{id}\"}, body: {ids: [\"{id}\"], n: 1}"))
        let sent = try profile.dialect.lookup(id)
        #expect(sent.method == "POST" && sent.path == "/q?t=t-1")
        #expect(String(decoding: sent.body ?? [], as: UTF8.self) == #"{"ids":["t-1"],"n":1}"#)
    }

    @Test func `an id cannot change the path of a request`() throws {
        let profile = try endpoint(Self.plain)
        #expect(try profile.dialect.lookup(#require(RemoteTaskID("a/b?c"))).path == "/v1/tasks/a%2Fb%3Fc")
        #expect(throws: RequestProblem.self) { try profile.dialect.lookup(#require(RemoteTaskID(".."))) }
    }

    // MARK: Poll URLs

    private func followed(_ url: String) throws -> String? {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: /id, poll_url: /urls/get}"),
            top: "allowed_hosts: [other.example, \"*.p.example\"]")
        return try profile.dialect.lookup(id, pollURL: url).url
    }

    @Test(arguments: [
        "https://api.p.example/x?y=1", "https://api.p.example:443/x", "https://other.example/x",
        "https://eu.p.example/x",
        "https://API.P.EXAMPLE/x",
    ])
    func `a poll URL at an allowed host is used`(url: String) throws {
        #expect(try followed(url) == url)
    }

    @Test(arguments: [
        "https://evil.example/x", "http://api.p.example/x", "https://api.p.example.evil.example/x",
        "https://p.example/x",
        "https://api.p.example@evil.example/x", "https://api.p.example:444/x", "https://evilp.example/", "/x",
        "https://api.p.example\\@evil.example/", "file:///etc/passwd", "https://", "https:// api.p.example/",
    ])
    func `a poll URL at another host or scheme is not used`(url: String) throws {
        // The path of the definition is used if there is one …
        #expect(try followed(url) == nil)
        // … and otherwise the request fails.
        let profile = try endpoint(
            """
                submit: {path: "/v1/make"}
                accepted: {id: /id, poll_url: /u}
                poll: {id: /id}
            \(Self.rest)
            """)
        let error = #expect(throws: RequestProblem.self) { try profile.dialect.lookup(id, pollURL: url) }
        #expect(error?.field == "poll_url")
    }

    @Test func `a provider with a replaced base URL gets requests only there`() throws {
        let yaml = DeclaredDefinitionTests.valid.replacing("{id: /id}", with: "{id: /id, poll_url: /u}")
        let moved = try ProviderCatalog(definitions: [("p.yaml", yaml)]).moved(to: ["p": "http://127.0.0.1:8090/p"])
        let profile = try #require(moved.endpoints.first)
        #expect(try profile.dialect.lookup(id, pollURL: "http://127.0.0.1:8090/p/x").url != nil)
        let elsewhere = try profile.dialect.lookup(id, pollURL: "https://api.p.example/x")
        #expect(elsewhere.url == nil && elsewhere.path == "/v1/tasks/t-1")
        #expect(moved.provider("p")?.baseURL == "http://127.0.0.1:8090/p")
    }

    // MARK: Cancellations

    @Test func `a task is cancelled at the provider by the declared request`() throws {
        let profile = try endpoint(Self.plain + "\n    cancel: {method: PUT, path: \"/v1/{id}/cancel\"}")
        #expect(
            try profile.dialect.cancelling?.cancellation(of: id, record: nil)
                == UpstreamRequest(method: "PUT", path: "/v1/t-1/cancel"))
        #expect(try endpoint(Self.plain).dialect.cancelling == nil)
    }

    @Test func `a task is cancelled at the provider only in the declared states`() throws {
        let profile = try endpoint(
            Self.plain + "\n    cancel: {path: \"/v1/{id}\", while: {at: /status, words: [queued]}}")
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: ["status": "queued"]) != nil)
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: ["status": "run"]) == nil)
        // With an unknown state it is tried.
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: [:]) != nil)
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: nil) != nil)
    }
}
