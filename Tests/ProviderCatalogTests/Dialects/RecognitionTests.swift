import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct RecognitionTests {
    private func observe(_ record: JSONValue) throws -> Observation {
        try #require(try Fixture.generalProfile.observe(record))
    }

    @Test func `every documented record and every pending reply or callback is recognised`() throws {
        for fixture in Fixture.all
        where fixture.kind.hasPrefix("retrieve") || fixture.kind != "error" && fixture.expected == "pending" {
            for record in fixture.json["items"]?.array ?? [fixture.json] where record != [:] {
                for profile in try [fixture.profile, Fixture.generalProfile] {
                    let observation = try #require(profile.observe(record))
                    #expect(
                        observation.unrecognisedShape == nil, "\(fixture.file): \(observation.unrecognisedShape ?? "")")
                }
            }
        }
    }

    @Test(arguments: [
        (#"{"status":"exploded","response":null}"#, #"{response,status="exploded"}"#),
        (#"{"id":"a","response":{"state":"Upscaling"}}"#, #"{id,response{state="Upscaling"}}"#),
        (
            #"{"response":{"data":[{"state":"running"},{"state":"melting","x":1}]}}"#,
            #"{response{data[{state="melting",x}|{state}]}}"#
        ),
        (#"{"id":"a","request":{"p":1},"response":{"phase":"rendering"}}"#, "{id,request,response{phase}}"),
        (#"{"response":{"success":true,"output":"https://x/a.mp4"}}"#, "{response{output,success}}"),
        (#"{"response":"soon"}"#, "{response}"), (#"{"response":{"progress":"half"}}"#, "{response{progress}}"),
        (#"{"response":{"success":"perhaps"}}"#, "{response{success}}"), (#"{"state":true}"#, "{state}"),
        (#"{"state":17}"#, "{state}"), (#"{"task":{"id":"a","status":"paused"}}"#, #"{task{id,status="paused"}}"#),
    ])
    func `an unrecognised record is pending and has a shape`(record: String, shape: String) throws {
        let observation = try observe(try JSONValue(parsing: record))
        #expect(observation.verdict == .pending)
        #expect(observation.unrecognisedShape == shape)
    }

    @Test(arguments: [
        #"{"id":"a"}"#, #"{"id":"a","response":null}"#, #"{"id":"a","response":{}}"#, #"{"response":{"task_id":"a"}}"#,
        #"{"response":{"success":true,"title":"x","data":[]}}"#,
        #"{"response":{"progress":40,"image_url":"https://x/1"}}"#,
        #"{"response":{"success":false,"error":"temporary"}}"#, #"{"status":"in_progress","output":"https://x/1.mp4"}"#,
        #"{"status":"QUEUED"}"#, #"{"status":""}"#, #"{"status":200,"response":null}"#,
    ])
    func `a pending record in a known format is recognised`(record: String) throws {
        let observation = try observe(try JSONValue(parsing: record))
        #expect(observation.verdict == .pending)
        #expect(observation.unrecognisedShape == nil, "\(observation.unrecognisedShape ?? "")")
    }

    @Test func `a shape does not depend on order and values`() throws {
        let one = try observe(["response": ["phase": "a", "seed": 1], "id": "1", "request": ["prompt": "x"]])
        let other = try observe(["id": "2", "request": ["text": "y"], "response": ["seed": 2, "phase": "b"]])
        #expect(one.unrecognisedShape == other.unrecognisedShape)
        #expect(one.unrecognisedShape != nil)
    }

    @Test func `a shape is short, on one line, and has no value but the status word`() throws {
        var members: [(String, JSONValue)] = (0..<5_000).map {
            ("name\($0)", ["deep": ["deep": ["deep": ["deep": 1]]]])
        }
        members.append(("secret", "hunter2"))
        members.append(("a\nb\u{1b}[31m", .string(String(repeating: "x", count: 100_000))))
        members.append(("state", .string("odd\nword" + String(repeating: "y", count: 100_000))))
        let shape = try #require(try observe(.object(JSONObject(members))).unrecognisedShape)
        #expect(shape.count <= 401)
        #expect(!shape.contains("hunter2") && !shape.contains("xxx"))
        #expect(!shape.unicodeScalars.contains { $0.value < 32 })
    }
}
