@testable import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests the parts of an observation other than its verdict.
@Suite struct ReadRecordTests {
    private func observe(_ json: String, as name: String? = nil) throws -> Observation {
        let profile =
            try name.flatMap(EndpointName.init).flatMap(try ProviderCatalog.builtIn().endpoint)
            ?? Fixture.generalProfile
        return try #require(profile.observe(try JSONValue(parsing: json)))
    }

    @Test(
        arguments: [
            ("35", 35), ("35.5", 35.5), (#""35%""#, 35), ("0.35", 0.35), ("-4", 0), ("400", 100),
            (#"{"percent":52}"#, 52), (#""soon""#, nil), ("null", nil),
        ] as [(String, Double?)])
    func `progress is read in its documented formats and clamped to 0 to 100`(text: String, expected: Double?) throws {
        #expect(try observe(#"{"id":"a","response":{"progress":\#(text)}}"#).progress == expected)
        #expect(try observe(#"{"id":"a","status":"running","progress":\#(text),"response":null}"#).progress == expected)
    }

    @Test func `the slowest part decides the progress`() throws {
        let json = #"{"id":"a","response":{"data":[{"progress":"80%"},{"progress":20},{}]}}"#
        #expect(try observe(json).progress == 20)
    }

    @Test func `progress is a fraction only if the definition says so`() throws {
        var dialect = try #require(try Fixture.generalProfile.inferred)
        dialect.progressScale = .fraction
        let profile = EndpointProfile(dialect)
        let record = try JSONValue(parsing: #"{"id":"a","response":{"success":true,"url":"https://a","progress":1}}"#)
        #expect(profile.observe(record)?.verdict == .succeeded(partial: false))
        #expect(profile.observe(record)?.progress == 100)
        #expect(try Fixture.generalProfile.observe(record)?.verdict == .pending)
    }

    @Test func `times are Unix seconds or texts with a time zone`() throws {
        let seen = try observe(
            #"{"id":"a","created_at":1725083093.077,"started_at":"2026-05-02T12:30:00.123+02:00","finished_at":"2026-05-02 10:30:00","response":{}}"#
        )
        #expect(seen.createdAt == Timestamp(milliseconds: 1_725_083_093_077))
        #expect(seen.startedAt == Timestamp(rfc3339: "2026-05-02T10:30:00.123Z"))
        #expect(seen.finishedAt == nil)
        let odd = try observe(#"{"id":"a","created_at":1e300,"started_at":0,"finished_at":true,"response":{}}"#)
        #expect(odd.createdAt == nil && odd.startedAt == nil && odd.finishedAt == nil)
    }

    @Test func `a record of MiniMax has its last change as end, once it has ended`() throws {
        let running = #"{"task":{"id":"a","status":"running","created_at":1786184658,"updated_at":1786184758}}"#
        #expect(try observe(running, as: "minimax/videos").finishedAt == nil)
        let done = running.replacing("running", with: "succeeded")
        #expect(try observe(done, as: "minimax/videos").finishedAt == Timestamp(milliseconds: 1_786_184_758_000))
        #expect(try observe(done).finishedAt == nil)
    }

    @Test func `the trace id is read from the record or its response, and the record is kept verbatim`() throws {
        #expect(try observe(#"{"id":"a","trace_id":"t","response":{"trace_id":"u"}}"#).traceID == "t")
        #expect(try observe(#"{"id":"a","response":{"trace_id":"u"}}"#).traceID == "u")
        #expect(try observe(#"{"id":"a","trace_id":"","response":{}}"#).traceID == nil)
        let odd = #"{"id":"a","seed":1234567890123456789,"x":1.0,"response":null}"#
        #expect(try observe(odd).record.text == odd)
    }

    private func failure(_ json: String) throws -> TaskFailure {
        guard case .failed(let failure) = try observe(json).verdict else {
            Issue.record("not failed")
            return TaskFailure(code: "", message: "")
        }
        return failure
    }

    @Test func `a failure has the code and message of the most specific part`() throws {
        #expect(
            try failure(#"{"id":"a","response":{"success":false,"error":{"code":"CONTENT_REJECTED","message":"m"}}}"#)
                .code == "CONTENT_REJECTED")
        #expect(try failure(#"{"id":"a","response":{"error":{"code":1026,"message":"m"}}}"#).code == "1026")
        #expect(
            try failure(#"{"id":"a","response":{"error":{"message":"gpu boom"}}}"#)
                == TaskFailure(code: "provider_failed", message: "gpu boom", httpStatus: 200))
        #expect(
            try failure(#"{"id":"a","response":{"data":[{"state":"failed","error":"no voice"}]}}"#).message
                == "no voice")
        #expect(
            try failure(#"{"id":"a","status":"dead","error":"worker lost","response":null}"#).message == "worker lost")
        #expect(try failure(#"{"id":"a","response":{"state":"failed","message":"why"}}"#).message == "why")
        #expect(try failure(#"{"id":"a","response":{"state":"failed"}}"#).message.contains("gives no reason"))
        let moderated = try failure(#"{"id":"a","response":{"error":{"code":"forbidden","message":"m"}}}"#)
        #expect(moderated.hint?.contains("Change the prompt") == true)
    }

    @Test func `a callback has the task's id if the body has one`() throws {
        let profile = try Fixture.generalProfile
        #expect(profile.dialect.readCallback([:]) == nil)
        #expect(profile.dialect.readCallback("text") == nil)
        #expect(profile.dialect.readCallback(["audio_url": "https://a"])?.0 == nil)
        #expect(profile.dialect.readCallback(["task_id": "a", "audio_url": "https://a"])?.0?.text == "a")
        #expect(profile.dialect.readCallback(["task": ["id": "a", "status": "running"]])?.0?.text == "a")
        #expect(
            profile.dialect.readCallback(["task_id": "a", "success": false, "error": "m"])?.1.verdict.word == "failed")
        #expect(profile.dialect.readCallback(["task_id": "a", "success": true])?.1.verdict == .pending)
    }
}
