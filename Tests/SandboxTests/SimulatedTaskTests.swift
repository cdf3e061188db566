import Foundation
import Testing

@testable import Sandbox

@Suite struct SimulatedTaskTests {
    // MARK: Against the documented examples

    @Test(arguments: [
        ("midjourney/imagine", "midjourney__retrieve_success"), ("suno/audios", "suno__retrieve_success"),
        ("veo/videos", "veo__retrieve_success"), ("kling/videos", "kling__retrieve_success"),
        ("luma/videos", "luma__retrieve_success"), ("sora/videos", "sora__retrieve_success"),
    ])
    func `a finished record has everything the documented one has`(endpoint: String, example: String) throws {
        let record = try SimulatedTask.task(endpoint).record(at: .start + 101)
        let documented = try Fixtures.json(example).without(["request"]).keyStructure
        #expect(documented.subtracting(record.keyStructure) == [])
    }

    @Test(arguments: [
        ("midjourney/imagine", "midjourney__retrieve_success"), ("veo/videos", "veo__retrieve_success"),
        ("kling/videos", "kling__retrieve_success"), ("luma/videos", "luma__retrieve_success"),
        ("sora/videos", "sora__retrieve_success"),
    ])
    func `a finished response has exactly the documented members`(endpoint: String, example: String) throws {
        let response = try SimulatedTask.task(endpoint).record(at: .start + 101)["response"]
        #expect(response?.keyStructure == (try Fixtures.json(example)["response"]?.keyStructure))
    }

    @Test(arguments: [
        ("midjourney/edits", "midjourney__edits_submit_reply_inline", ""),
        ("midjourney/videos", "midjourney__videos_submit_reply_inline", ""),
        ("suno/audios", "suno__submit_reply_inline", "chirp-auk"),
        ("suno/audios", "suno__submit_reply_stream_all_succeeded", "chirp-v5"),
        ("veo/videos", "veo__submit_reply_inline", ""), ("kling/videos", "kling__submit_reply_inline", ""),
        ("kling/lip-sync", "kling__submit_reply_inline", ""), ("luma/videos", "luma__submit_reply_inline", ""),
        ("flux/images", "flux__callback_success", ""),
    ])
    func `an inline reply has exactly the documented members`(
        endpoint: String, example: String, model: String
    ) throws {
        let task = try SimulatedTask.task(endpoint, fields: ["model": .string(model)])
        #expect(task.inlineReply.document.keyStructure == (try Fixtures.json(example).keyStructure))
    }

    @Test(arguments: [
        ("midjourney/imagine", "xhuoapi__submit_reply_task_id"),
        ("midjourney/edits", "midjourney__edits_submit_reply_task_id"),
        ("midjourney/videos", "midjourney__videos_submit_reply_task_id"),
        ("suno/audios", "suno__submit_reply_task_id"), ("veo/videos", "veo__submit_reply_task_id"),
        ("kling/videos", "kling__submit_reply_task_id"), ("luma/videos", "luma__submit_reply_task_id"),
        ("flux/images", "flux__submit_reply_task_id"),
    ])
    func `the reply to an asynchronous submit is exactly as documented`(endpoint: String, example: String) throws {
        let task = try SimulatedTask.task(endpoint)
        #expect(task.acceptReply.keyStructure == (try Fixtures.json(example).keyStructure))
        #expect(task.acceptReply["task_id"] == .string(task.identity.taskID))
    }

    @Test func `midjourney previews look like the documented progress lines`() throws {
        let task = try SimulatedTask.task("midjourney/imagine")
        let response = task.record(at: .start + 75)["response"]
        #expect(response?.keyStructure == (try Fixtures.json("midjourney__callback_stream_progress_75").keyStructure))
        #expect(response?["progress"] == 75)
        #expect(response?["success"] == true)
    }

    @Test(arguments: [
        (0.2, "suno__submit_reply_stream_all_pending"), (0.95, "suno__submit_reply_stream_one_succeeded_one_running"),
    ])
    func `running songs look like the documented stream lines`(fraction: Double, example: String) throws {
        let response = try SimulatedTask.task("suno/audios").record(at: .start + 0.06 + fraction * 100)["response"]
        let documented = try Fixtures.json(example)
        #expect(response?.keyStructure == documented.keyStructure)
        let states = { (value: JSONValue?) in value?["data"]?.arrayValue?.map { $0["state"]?.stringValue } }
        #expect(states(response) == states(documented))
    }

    // MARK: Through time

    @Test(arguments: ServiceTable.operations.filter(\.hasPlainRecords).map(\.endpoint))
    func `a task is pending until its time and finished from then on`(endpoint: String) throws {
        let task = try SimulatedTask.task(endpoint)
        for second in stride(from: 0.0, to: 100, by: 1) {
            let record = task.record(at: .start + second)
            #expect(record["finished_at"] == nil || record["finished_at"] == .null)
            #expect(record["request"] == task.request)
        }
        let record = task.record(at: .start + 100.06)
        #expect(record["finished_at"]?.doubleValue == 1_760_000_100.06)
        #expect(record["elapsed"]?.doubleValue == 100)
        #expect(record == task.record(at: .start + 1_000_000))
    }

    @Test func `early responses come in all four documented shapes`() throws {
        let shapes = try (1...50).map { number in
            try SimulatedTask.task("flux/images", sequence: number).record(at: .start + 50)["response"]?.text
                ?? "absent"
        }
        #expect(shapes.contains("absent") && shapes.contains("null") && shapes.contains("{}"))
        #expect(shapes.contains { $0.hasPrefix(#"{"task_id":"#) })
    }

    @Test func `each service has its own word for success`() throws {
        let response = { (endpoint: String) in
            try SimulatedTask.task(endpoint).record(at: .start + 101)["response"]
        }
        #expect(try response("kling/videos")?["state"] == "succeed")
        #expect(try response("luma/videos")?["state"] == "completed")
        #expect(try response("veo/videos")?["data"]?.arrayValue?.first?["state"] == "succeeded")
        #expect(try response("midjourney/imagine")?["progress"] == 100)
        #expect(try response("flux/images")?.text.contains("state") == false)
    }

    // MARK: Failures

    @Test(arguments: ServiceTable.operations.filter(\.hasPlainRecords).map(\.endpoint))
    func `a plain failure has an error with a code, and an end`(endpoint: String) throws {
        let record = try SimulatedTask.task(endpoint, prompt: "[seconds=100][fail:plain]").record(at: .start + 101)
        #expect(record["response"]?["success"] == false)
        #expect(record["response"]?["error"]?["code"]?.stringValue?.isEmpty == false)
        #expect(record["finished_at"]?.doubleValue != nil)
    }

    @Test func `failures have the documented formats`() throws {
        let record = { (endpoint: String, style: String) in
            try SimulatedTask.task(endpoint, prompt: "[seconds=100][fail:\(style)]").record(at: .start + 101)
        }
        #expect(try record("kling/videos", "unstamped")["finished_at"] == .null)
        let suno = try record("suno/audios", "uncoded")["response"]
        #expect(suno?.keyStructure == (try Fixtures.json("suno__retrieve_failed")["response"]?.keyStructure))
        #expect(try record("suno/audios", "string")["response"]?["error"]?.stringValue != nil)
        #expect(try record("veo/videos", "item")["response"]?["data"]?.arrayValue?.first?["state"] == "failed")
    }

    @Test func `one song of two can fail alone`() throws {
        let task = try SimulatedTask.task("suno/audios", prompt: "[seconds=100][partial] a song")
        let response = task.record(at: .start + 101)["response"]
        #expect(response?["data"]?.arrayValue?.compactMap { $0["state"]?.stringValue } == ["succeeded", "failed"])
        #expect(response?["success"] == false)
        #expect(task.outcome(at: .start + 101) == .succeeded)
    }

    // MARK: Chance

    @Test func `the same seed and number replay the same task`() throws {
        let one = try SimulatedTask.task("suno/audios", prompt: "a song", seed: 5, sequence: 9)
        let two = try SimulatedTask.task("suno/audios", prompt: "a song", seed: 5, sequence: 9)
        #expect(one.record(at: .start + 20) == two.record(at: .start + 20))
        #expect(one.finishedAt == two.finishedAt)
        let other = try SimulatedTask.task("suno/audios", prompt: "a song", seed: 5, sequence: 10)
        #expect(one.identity.taskID != other.identity.taskID)
    }

    @Test(arguments: [("kling/videos", 317.0), ("suno/audios", 38), ("veo/videos", 145)])
    func `durations lie around the documented ones`(endpoint: String, median: Double) throws {
        let drawn = try (1...401).map { number in
            try SimulatedTask.task(endpoint, prompt: "a cat", sequence: number).finishedAt.timeIntervalSince(.start)
        }.sorted()
        #expect(abs(drawn[200] / median - 1) < 0.1)
        #expect(drawn[0] > median / 4 && drawn[400] < median * 4)
    }

    @Test func `speed, slow prompts and fast models change how long a task takes`() throws {
        let seconds = { (prompt: String, model: String, speed: Double) in
            try SimulatedTask.task("veo/videos", prompt: prompt, fields: ["model": .string(model)], speed: speed)
                .finishedAt.timeIntervalSince(.start)
        }
        let normal = try seconds("a cat", "veo3", 1)
        #expect(abs(try seconds("a cat", "veo3", 10) - normal / 10) < 0.001)
        #expect(abs(try seconds("[slow]", "veo3", 1) - 0.06 - 5 * (normal - 0.06)) < 0.001)
        #expect(try seconds("a cat", "veo3-fast", 1) < normal)
        #expect(abs(try seconds("[seconds=7.5]", "veo3", 1) - 7.56) < 0.001)
    }
}
