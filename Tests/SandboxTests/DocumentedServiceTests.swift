import Foundation
import HTTPTypes
import Testing

@testable import Sandbox

/// Compares the template-based services with the provider's examples.
@Suite struct DocumentedServiceTests {
    @Test(arguments: [
        ("hailuo/videos", "hailuo__retrieve_success"), ("pixverse/videos", nil),
        ("wan/videos", "wan__retrieve_success"),
        ("gemini/videos", "gemini__retrieve_success"), ("grok/videos", "grok__retrieve_success"),
        ("happyhorse/videos", "happyhorse__retrieve_success"), ("headshots/generate", "headshots__retrieve_success"),
        ("nano-banana/images", "nano-banana__retrieve_success_legacy_no_finished_at"),
        ("qrart/generate", "qrart__retrieve_success"), ("openai/images/generations", "openai__retrieve_success"),
        ("maestro/videos", nil), ("producer/audios", nil),
    ])
    func `a finished response has the documented members`(endpoint: String, example: String?) throws {
        let response = try #require(try finished(endpoint)["response"])
        guard let example else {
            // These examples have additional members.
            let name = "\(endpoint.prefix { $0 != "/" })__retrieve_success"
            let documented = try Fixtures.json(name)["response"]?.keyStructure ?? []
            #expect(response.without(["captions_url"]).keyStructure.intersection(documented).count > 3, "\(endpoint)")
            return
        }
        #expect(response.keyStructure == (try Fixtures.json(example)["response"]?.keyStructure))
    }

    @Test(arguments: [
        ("wan/videos", "wan__retrieve_success"), ("hailuo/videos", "hailuo__retrieve_success"),
        ("headshots/generate", "headshots__retrieve_success"), ("maestro/videos", "maestro__retrieve_success"),
        ("producer/audios", "producer__retrieve_success"), ("openai/images/generations", "openai__retrieve_success"),
        ("qwen-image/images", "qwen-image__retrieve_success"),
    ])
    func `a finished record has everything the documented one has`(endpoint: String, example: String) throws {
        let names = { (record: JSONValue) in record.without(["request", "response", "progress", "job_id"]).keyStructure
        }
        #expect(names(try Fixtures.json(example)).subtracting(names(try finished(endpoint))) == [])
    }

    @Test(arguments: [
        ("fish/tts", "fish__retrieve_batch"), ("seedream/images", "seedream__retrieve_batch"),
        ("seedance/videos", "seedance__retrieve_batch"), ("pika/videos", "pika__retrieve_batch"),
        ("nano-banana/images", "nano-banana__retrieve_batch"), ("qrart/generate", "qrart__retrieve_batch"),
    ])
    func `in a list a response has exactly the documented members`(endpoint: String, example: String) throws {
        let documented = try Fixtures.json(example)["items"]?.arrayValue?.first?["response"]?.keyStructure
        #expect(try finished(endpoint)["response"]?.keyStructure == documented)
    }

    @Test(arguments: [
        ("dreamina/videos", "dreamina__submit_reply_inline"), ("fish/tts", "fish__submit_reply_inline"),
        ("gemini/videos", "gemini__submit_reply_inline"), ("headshots/generate", "headshots__submit_reply_inline"),
        ("qrart/generate", "qrart__submit_reply_inline"),
        ("pixverse/character", "pixverse__character_submit_reply_inline"),
        ("midjourney/describe", "midjourney__describe_submit_reply_inline"),
        ("midjourney/translate", "midjourney__translate_submit_reply_inline"),
        ("suno/wav", "suno__wav_submit_reply_inline"),
    ])
    func `an inline reply has exactly the documented members`(endpoint: String, example: String) throws {
        #expect(
            try SimulatedTask.task(endpoint).inlineReply.document.keyStructure == Fixtures.json(example).keyStructure)
    }

    @Test(arguments: [
        ("maestro/videos", "maestro__submit_reply_task_id"),
        ("webextrator/extract", "webextrator__submit_reply_task_id"),
        ("gemini/videos", "gemini__submit_reply_task_id"), ("hailuo/videos", "hailuo__submit_reply_task_id"),
        ("minimax/videos", "minimax__submit_reply_task_id"), ("seedance/videos", "seedance__submit_reply_task_id"),
        ("wan/videos", "wan__submit_reply_task_id"), ("headshots/generate", "headshots__submit_reply_task_id"),
    ])
    func `the reply to an asynchronous submit is exactly as documented`(endpoint: String, example: String) throws {
        #expect(try SimulatedTask.task(endpoint).acceptReply.keyStructure == Fixtures.json(example).keyStructure)
    }

    @Test(arguments: [
        ("fish/tts", "fish__callback_success"), ("headshots/generate", "headshots__callback_success"),
        ("nano-banana/images", "nano-banana__callback_success"), ("wan/videos", "wan__callback_success"),
    ])
    func `a callback has exactly the documented members`(endpoint: String, example: String) throws {
        #expect(try SimulatedTask.task(endpoint).finalCallbackBody.keyStructure == Fixtures.json(example).keyStructure)
    }

    @Test func `unusual services match their examples while running and when failed`() throws {
        let captcha = try SimulatedTask.task("captcha/token/hcaptcha")
        #expect(
            captcha.lookup(at: .start + 50).document.keyStructure
                == (try Fixtures.json("captcha__retrieve_pending").keyStructure))
        let failed = try SimulatedTask.task("captcha/token/hcaptcha", prompt: "[seconds=100][fail]").lookup(
            at: .start + 101)
        #expect(failed.status == .gatewayTimeout)
        #expect(failed.document.keyStructure == (try Fixtures.json("captcha__retrieve_failed_timeout").keyStructure))

        let maestro = try SimulatedTask.task("maestro/videos").lookup(at: .start + 80).document
        #expect(maestro["status"] == "producing")
        #expect(maestro["response"] == .null)

        let talking = try SimulatedTask.task("digital-human/videos").lookup(at: .start + 80).document
        let documented = try Fixtures.json("digital-human__retrieve_pending_processing")
        #expect(talking["response"]?.keyStructure == documented["response"]?.keyStructure)
        #expect(talking["status"] == "processing")

        let minimax = try SimulatedTask.task("minimax/videos").lookup(at: .start + 101).document
        #expect(minimax["task"]?["content"]?["url"] != nil)
        #expect(minimax["task"]?["finished_at"] == nil)

        let seedream = try SimulatedTask.task("seedream/images")
        #expect(seedream.lookup(at: .start + 101).document["request"] == nil)
        #expect(seedream.record(at: .start + 101)["request"] != nil)
    }

    @Test func `each service reports an unknown task in its own format`() throws {
        let provider = SimulatedProvider.provider()
        func answer(_ service: String, _ body: JSONValue) throws -> JSONValue {
            let query = try TaskQuery(body: body, form: ServiceTable.form(of: service))
            return try provider.reply(to: query, service: service, token: "token", number: 1)
        }
        #expect(try answer("dreamina", ["id": "x"]) == [:])
        #expect(throws: ProviderError.unknownTask("not_found")) { try answer("maestro", ["id": "x"]) }
        #expect(throws: ProviderError.unknownTask("no_task")) { try answer("digital-human", ["task_id": "x"]) }
        #expect(throws: ProviderError.self) { try answer("digital-human", ["id": "x"]) }
        #expect(throws: ProviderError.self) {
            try answer("captcha", ["action": "retrieve_batch", "ids": ["x"], "task_id": "x"])
        }
    }

    @Test func `maestro always lists the caller's whole history and counts it`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock)
        for number in 1...3 { try provider.submit("maestro/videos", prompt: "\(number)") }
        let query = try TaskQuery(
            body: ["action": "retrieve_batch", "ids": ["x"], "limit": 2], form: ServiceTable.form(of: "maestro"))
        let reply = try provider.reply(to: query, service: "maestro", token: "token", number: 1)
        #expect(reply["count"] == 3)
        #expect(reply["items"]?.arrayValue?.count == 2)
    }

    @Test func `maestro accepts a client id once`() throws {
        let provider = SimulatedProvider.provider()
        let body: JSONValue = ["prompt": "a kettle", "task_id": "mine"]
        #expect(
            try provider.submit(.named("maestro/videos"), body: body, token: "token").task?.identity.taskID == "mine")
        #expect(throws: ProviderError.self) {
            try provider.submit(.named("maestro/videos"), body: body, token: "token")
        }
        #expect(provider.ledger.entries.count == 1)
    }

    private func finished(_ endpoint: String) throws -> JSONValue {
        try SimulatedTask.task(endpoint).record(at: .start + 101)
    }
}
