import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct InferredRequestTests {
    private let catalog: ProviderCatalog

    init() throws { catalog = try .builtIn() }

    private func endpoint(_ name: String) throws -> EndpointProfile {
        try #require(EndpointName(name).flatMap(catalog.endpoint))
    }

    private func submitted(_ request: String, to name: String = "suno/audios", callback: String? = nil) throws -> String
    {
        let object = try #require(try JSONValue(parsing: request).object)
        let built = try endpoint(name).dialect.submission(of: object, callbackURL: callback, ownID: nil)
        #expect(built.method == "POST")
        #expect(built.path == "/\(name)")
        return String(decoding: try #require(built.body), as: UTF8.self)
    }

    @Test func `members of the request pass unchanged and in order`() throws {
        let request = #"{"z":1.0,"seed":1234567890123456789,"a":{"b":[true,null]},"prompt":"é\u0007"}"#
        #expect(
            try submitted(request)
                == #"{"z":1.0,"seed":1234567890123456789,"a":{"b":[true,null]},"prompt":"é\u0007","async":true}"#)
    }

    @Test func `async is added unless the request decides it`() throws {
        #expect(try submitted(#"{"p":1}"#) == #"{"p":1,"async":true}"#)
        #expect(try submitted(#"{"async":false}"#) == #"{"async":false}"#)
        #expect(try submitted(#"{"callback_url":"https://me"}"#) == #"{"callback_url":"https://me"}"#)
        #expect(try submitted(#"{"async":null,"p":1}"#) == #"{"async":true,"p":1}"#)
        #expect(try submitted(#"{"p":1}"#, to: "maestro/videos") == #"{"p":1}"#)
        #expect(try submitted(#"{"p":1}"#, to: "suno/lyrics") == #"{"p":1}"#)
    }

    @Test func `the callback URL is added unless the request has one`() throws {
        let ours = "https://us/callbacks/t"
        #expect(try submitted("{}", callback: ours) == #"{"async":true,"callback_url":"https://us/callbacks/t"}"#)
        #expect(try submitted(#"{"callback_url":"https://me"}"#, callback: ours) == #"{"callback_url":"https://me"}"#)
        #expect(
            try submitted(#"{"callback_url":null}"#, callback: ours)
                == #"{"callback_url":"https://us/callbacks/t","async":true}"#)
        #expect(
            try submitted("{}", to: "maestro/videos", callback: ours) == #"{"callback_url":"https://us/callbacks/t"}"#)
        #expect(try submitted("{}", to: "suno/lyrics", callback: ours) == "{}")
    }

    private func text(_ request: UpstreamRequest?) throws -> String {
        String(decoding: try #require(request?.body), as: UTF8.self)
    }

    @Test func `a look-up sends the id under every documented key`() throws {
        let id = try #require(RemoteTaskID("27a1128f"))
        let request = try endpoint("veo/videos").dialect.lookup(id)
        #expect(request.method == "POST" && request.path == "/veo/tasks")
        #expect(try text(request) == #"{"action":"retrieve","id":"27a1128f","task_id":"27a1128f"}"#)
        #expect(
            try text(endpoint("digital-human/videos").dialect.lookup(id))
                == #"{"action":"retrieve","task_id":"27a1128f"}"#)
        #expect(try endpoint("openai/images/edits").dialect.lookup(id).path == "/openai/tasks")
    }

    @Test func `a batch look-up sends its limit`() throws {
        let ids = try ["b", "a"].map { try #require(RemoteTaskID($0)) }
        let request = try endpoint("kling/motion").batching?.lookup(ids)
        #expect(request?.path == "/kling/tasks")
        #expect(try text(request) == #"{"action":"retrieve_batch","ids":["b","a"],"limit":2}"#)
        #expect(try endpoint("kling/motion").batching?.lookup([]) == nil)
        #expect(try endpoint("maestro/videos").batching == nil)
    }

    @Test func `a list request extends its window to whole seconds`() throws {
        let request = try endpoint("suno/audios").listing?.page(
            from: Timestamp(milliseconds: 1_700_000_000_999), to: Timestamp(milliseconds: 1_700_000_060_001),
            offset: 24,
            limit: 12)
        #expect(
            try text(request)
                == #"{"action":"retrieve_batch","created_at_min":1700000000,"created_at_max":1700000061,"offset":24,"limit":12}"#
        )
        let now = Timestamp(milliseconds: 1_700_000_000_000)
        #expect(
            try text(endpoint("suno/audios").listing?.page(from: now, to: now, offset: 0, limit: 1)).contains(
                #"max":1700000000,"#))
        #expect(try endpoint("digital-human/videos").listing == nil)
    }
}
