import HTTPTypes
import LocalAPI
import TaskEngine
import Testing
import VerbatimJSON

@Suite struct GatewayRoutesTests {
    @Test func `a token is shown once, and listed by its name`() async throws {
        try await APIHarness.run { api in
            let made = try await api.ask(.post, "/v1/gateway/tokens", #"{"name":"notebook"}"#)
            #expect(made.status == 201)
            let token = try #require(made.json["token"]?.string)
            #expect(token.hasPrefix("pollux_"))
            #expect(token.utf8.count == 50)
            #expect(api.engine.gateway.tokens.name(of: token) == "notebook")
            #expect(api.engine.gateway.tokens.name(of: token + "x") == nil)
            let shown = try await api.ask(.get, "/v1/gateway")
            #expect(!shown.text.contains(token))
            #expect(shown.json["url"] == .null)
            #expect(shown.json["tokens"]?.array?.compactMap { $0["name"]?.string } == ["notebook"])
            let removed = try await api.ask(.post, "/v1/gateway/tokens/notebook/remove")
            #expect(removed.json["tokens"] == [])
            #expect(api.engine.gateway.tokens.name(of: token) == nil)
        }
    }

    @Test(arguments: ["", "A", "a b", "1", "ä", "abcdefghijklmnopqrstuvwxyz-0123456"])
    func `a name that is none is refused`(name: String) async throws {
        try await APIHarness.run { api in
            let body = JSONValue.object(JSONObject([("name", .string(name))])).text
            let answer = try await api.ask(.post, "/v1/gateway/tokens", body)
            #expect(answer.status == 422)
            #expect(answer.problemCode == "invalid_field")
        }
    }

    @Test func `a name that is taken, or names no token, is refused`() async throws {
        try await APIHarness.run { api in
            let made = try await api.ask(.post, "/v1/gateway/tokens", #"{"name":"a"}"#)
            #expect(made.status == 201)
            #expect(try await api.ask(.post, "/v1/gateway/tokens", #"{"name":"a"}"#).problemCode == "invalid_field")
            #expect(try await api.ask(.post, "/v1/gateway/tokens/b/remove").problemCode == "invalid_field")
        }
    }
}
