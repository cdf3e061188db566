import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests each rule of the status inference, with the general rules only.
@Suite struct StatusInferenceTests {
    private func verdict(_ json: String) throws -> Observation.Verdict? {
        try Fixture.generalProfile.observe(JSONValue(parsing: json))?.verdict
    }

    private func word(_ json: String) throws -> String? { try verdict(json)?.word }

    @Test(arguments: [
        ("SUCCEEDED", "succeeded"), ("Ready", "succeeded"), ("done", "succeeded"), ("complete", "succeeded"),
        ("Failed", "failed"), ("error", "failed"), ("canceled", "failed"), ("dead", "failed"),
        ("running", "pending"), ("unknown", "pending"), ("never heard of", "pending"), ("", "pending"),
    ])
    func `status words match without regard to case, and unknown ones mean pending`(text: String, expected: String)
        throws
    {
        #expect(try word(#"{"id":"a","status":"\#(text)","response":null}"#) == expected)
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"success":true,"state":"\#(text)"}}"#) == expected)
        #expect(
            try word(#"{"id":"a","response":{"success":true,"data":[{"state":"\#(text)","audio_url":"https://a"}]}}"#)
                == expected)
    }

    @Test func `a task ends when all parts have, and mixed outcomes are a partial success`() throws {
        func parts(_ states: String...) -> String {
            let items = states.map { #"{"state":"\#($0)","audio_url":"https://a"}"# }
            return #"{"id":"a","response":{"success":true,"data":[\#(items.joined(separator: ","))]}}"#
        }
        #expect(try verdict(parts("succeeded", "succeeded")) == .succeeded(partial: false))
        #expect(try verdict(parts("succeeded", "failed")) == .succeeded(partial: true))
        #expect(try verdict(parts("succeeded", "running")) == .pending)
        #expect(try verdict(parts("failed", "running")) == .pending)
        #expect(try word(parts("failed", "failed")) == "failed")
    }

    @Test func `a part without a state ends with the task`() throws {
        let silent = #""response":{"data":[{"state":"succeeded"},{"audio_url":"https://a"}]}}"#
        #expect(try verdict(#"{"id":"a",\#(silent)"#) == .pending)
        #expect(try verdict(#"{"id":"a","finished_at":1,\#(silent)"#) == .succeeded(partial: false))
        let oneError = #""response":{"data":[{"error":{"code":"c"}},{"audio_url":"https://a"}]}}"#
        #expect(try verdict(#"{"id":"a","finished_at":1,\#(oneError)"#) == .succeeded(partial: true))
        #expect(try verdict(#"{"id":"a",\#(oneError)"#) == .pending)
    }

    @Test func `success false with a successful part is a partial success`() throws {
        let json = #"{"id":"a","response":{"success":false,"data":[{"state":"succeeded","audio_url":"https://a"}]}}"#
        #expect(try verdict(json) == .succeeded(partial: true))
    }

    @Test func `a success word with only an error is a failure`() throws {
        #expect(
            try word(#"{"id":"a","status":"completed","response":{"success":false,"error":{"code":"c"}}}"#) == "failed")
        #expect(try word(#"{"id":"a","status":"completed","response":{"success":true}}"#) == "succeeded")
    }

    @Test(arguments: [
        "35", "99.9", #""35%""#, #""35""#, #"{"percent":52}"#, "-1", "1e400", #""most""#, "[]", "true", "150", "{}",
    ])
    func `progress below 100 or an invalid one means pending despite a result`(progress: String) throws {
        #expect(
            try word(#"{"id":"a","response":{"success":true,"image_url":"https://a","progress":\#(progress)}}"#)
                == "pending")
        #expect(
            try word(
                #"{"id":"a","response":{"success":true,"data":[{"image_url":"https://a","progress":\#(progress)}]}}"#)
                == "pending")
    }

    @Test(arguments: ["100", "1e2", #""100%""#, "null", #"{"percent":100}"#])
    func `progress of 100 with a result is a success`(progress: String) throws {
        #expect(
            try word(#"{"id":"a","response":{"success":true,"image_url":"https://a","progress":\#(progress)}}"#)
                == "succeeded")
    }

    @Test func `an error object fails a task at once, an error text only with an end time or without success false`()
        throws
    {
        #expect(try word(#"{"id":"a","response":{"error":{"message":"m"}}}"#) == "failed")
        #expect(
            try word(#"{"id":"a","finished_at":null,"response":{"success":false,"error":{"code":"c"}}}"#) == "failed")
        #expect(try word(#"{"id":"a","response":{"success":false,"error":"m"}}"#) == "pending")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"success":false,"error":"m"}}"#) == "failed")
        #expect(try word(#"{"id":"a","response":{"error":"m"}}"#) == "failed")
        for none in ["null", "{}", #""""#, "false", "0", "[]"] {
            #expect(
                try word(#"{"id":"a","finished_at":1,"response":{"success":true,"error":\#(none)}}"#) == "succeeded")
        }
    }

    @Test func `a status of 400 or more inside the response fails the task`() throws {
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"status":400,"message":"m"}}"#) == "failed")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"status":200}}"#) == "succeeded")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"status":7}}"#) == "pending")
    }

    @Test func `success false fails a task that has ended`() throws {
        #expect(try word(#"{"id":"a","response":{"success":false}}"#) == "pending")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"success":false}}"#) == "failed")
        #expect(try word(#"{"id":"a","response":{"success":false,"video_url":"https://a"}}"#) == "failed")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"success":"perhaps"}}"#) == "pending")
        #expect(try word(#"{"id":"a","finished_at":1,"response":{"success":0}}"#) == "failed")
    }

    @Test(arguments: [
        ("1700000000.5", true), (#""2026-05-02T10:30:00Z""#, true), (#""2026-05-02 10:30:00""#, true), ("null", false),
        ("0", false), (#""""#, false), ("false", false), (#""not yet""#, false),
    ])
    func `a valid end time ends the task`(stamp: String, ends: Bool) throws {
        #expect(
            try word(#"{"id":"a","finished_at":\#(stamp),"response":{"success":true}}"#)
                == (ends ? "succeeded" : "pending"))
    }

    @Test func `a record without a response is pending`() throws {
        #expect(try word(#"{"id":"a","request":{"image_url":"https://a"},"finished_at":1}"#) == "pending")
        #expect(try word(#"{"id":"a","response":null,"finished_at":1}"#) == "pending")
        #expect(try word(#"{"id":"a","response":"text","finished_at":1}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{}}"#) == "pending")
        #expect(try verdict("{}") == nil)
        #expect(try verdict("[]") == nil)
        #expect(try verdict("null") == nil)
    }

    @Test func `an echoed input or a status URL is not a result`() throws {
        for name in ["callback_url", "status_url", "first_image_url"] {
            #expect(try word(#"{"id":"a","response":{"success":true,"\#(name)":"https://a"}}"#) == "pending")
        }
        #expect(try word(#"{"id":"a","response":{"success":true,"request":{"image_url":"https://a"}}}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{"success":true,"video_url":""}}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{"success":true,"video_urls":[""]}}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{"success":true,"data":[]}}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{"success":true,"data":{"text":"half a"}}}"#) == "pending")
        #expect(try word(#"{"id":"a","response":{"success":true,"video_urls":["https://a"]}}"#) == "succeeded")
        let dreamina = try #require(EndpointName("dreamina/videos").flatMap(try ProviderCatalog.builtIn().endpoint))
        let inputs = #"{"id":"a","response":{"success":true,"data":{"image_url":"https://a","audio_url":"https://b"}}}"#
        #expect(dreamina.observe(try JSONValue(parsing: inputs))?.verdict == .pending)
        let result = inputs.replacing("audio_url", with: "video_url")
        #expect(dreamina.observe(try JSONValue(parsing: result))?.verdict == .succeeded(partial: false))
    }
}
