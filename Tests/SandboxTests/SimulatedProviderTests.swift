import Foundation
import Testing

@testable import Sandbox

@Suite struct SimulatedProviderTests {
    // MARK: Look-ups

    @Test(arguments: ["id", "task_id"]) func `a task is found by its id under either name`(name: String) throws {
        let provider = SimulatedProvider.provider()
        let id = try #require(try provider.submit("veo/videos", prompt: "a cat"))
        let query = try TaskQuery(body: .object([.init(name: name, value: .string(id))]))
        let record = try provider.reply(to: query, service: "veo", token: "token", number: 1)
        #expect(record["id"] == .string(id))
        let trace = try #require(record["trace_id"]?.stringValue)
        let byTrace = try TaskQuery(body: ["action": "retrieve", "trace_id": .string(trace)])
        #expect(try provider.reply(to: byTrace, service: "veo", token: "token", number: 2)["id"] == .string(id))
    }

    @Test func `an unknown id, or one of another service, is an empty object`() throws {
        let provider = SimulatedProvider.provider()
        let id = try #require(try provider.submit("veo/videos", prompt: "a cat"))
        let query = try TaskQuery(body: ["id": .string(id)])
        #expect(try provider.reply(to: query, service: "suno", token: "token", number: 1) == [:])
        #expect(try provider.reply(to: TaskQuery(body: ["id": "x"]), service: "veo", token: "token", number: 1) == [:])
    }

    @Test func `a batch is limited to twelve by default and omits unknown ids`() throws {
        let provider = SimulatedProvider.provider()
        let ids = try (1...20).compactMap { try provider.submit("suno/audios", prompt: "song \($0)") }
        let asked = JSONValue.strings(ids + ["unknown"])
        #expect(try provider.records(["action": "retrieve_batch", "ids": asked], service: "suno").count == 12)
        let all = try provider.records(["action": "retrieve_batch", "ids": asked, "limit": 50], service: "suno")
        #expect(Set(all.compactMap { $0["id"]?.stringValue }) == Set(ids))
    }

    @Test func `a batch is not in the requested order`() throws {
        let provider = SimulatedProvider.provider()
        let ids = try (1...10).compactMap { try provider.submit("suno/audios", prompt: "song \($0)") }
        let query: JSONValue = ["action": "retrieve_batch", "ids": .strings(ids)]
        let order = { (number: Int) in
            try provider.records(query, service: "suno", number: number).compactMap { $0["id"]?.stringValue }
        }
        #expect(try order(1) != ids)
        #expect(try order(1) != order(2))
        #expect(try order(1) == order(1))
    }

    @Test func `a list has the user's tasks of a time window, newest first, in pages`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock)
        var ids: [String] = []
        for number in 0..<30 {
            ids += [try #require(try provider.submit("suno/audios", prompt: "song \(number)"))]
            try provider.submit("suno/audios", prompt: "not mine \(number)", token: "other")
            clock.advance(by: 10)
        }
        let list = { (fields: JSONValue) in
            let head: JSONValue = ["action": "retrieve_batch"]
            return try provider.records(head.appending(fields), service: "suno").compactMap { $0["id"]?.stringValue }
        }
        #expect(try list([:]) == Array(ids.reversed().prefix(12)))
        #expect(try list(["limit": 100]) == ids.reversed())
        #expect(try list(["offset": 25, "limit": 12]) == Array(ids.reversed().dropFirst(25)))
        let window: JSONValue = ["created_at_min": 1_760_000_100, "created_at_max": 1_760_000_120]
        #expect(try list(window) == ids[10...12].reversed())
        #expect(try list(["type": "images"]) == [])
    }

    @Test(arguments: [
        #"{"action":"retrieve"}"#, #"{"action":"delete","id":"x"}"#, #"{"action":"retrieve_batch","ids":"x"}"#,
        #"{"action":"retrieve_batch","ids":[1]}"#, #"{"action":"retrieve_batch","limit":-1}"#,
        #"{"action":"retrieve_batch","limit":1e300}"#, #"{"action":"retrieve_batch","created_at_min":"now"}"#,
    ])
    func `an invalid query is a bad request`(text: String) throws {
        let body = try JSONParser.parse(Array(text.utf8))
        let error = #expect(throws: ProviderError.self) { try TaskQuery(body: body) }
        #expect(error?.code == "bad_request")
    }

    // MARK: Submits

    @Test(arguments: ServiceTable.operations.map(\.endpoint))
    func `a submit without its required fields is rejected and not billed`(endpoint: String) throws {
        let provider = SimulatedProvider.provider()
        for body: JSONValue in [[:], ["prompt": "", "image_url": "", "video_url": nil]] {
            let error = #expect(throws: ProviderError.self) {
                try provider.submit(.named(endpoint), body: body, token: "token")
            }
            #expect(error?.code == "bad_request")
        }
        #expect(provider.ledger.entries.isEmpty)
    }

    @Test func `a moderated prompt is rejected and not billed`() throws {
        let provider = SimulatedProvider.provider()
        #expect(throws: ProviderError.moderated) { try provider.submit("sora/videos", prompt: "[moderated] a cat") }
        #expect(provider.ledger.entries.isEmpty)
    }

    @Test func `a late record is billed immediately and found later`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock) {
            $0.faults = FaultPlan(rules: [.init(kind: .lateRecord, occurrence: .numbers([1]), span: .seconds(3))])
        }
        let id = try #require(try provider.submit("veo/videos", prompt: "a cat"))
        #expect(provider.ledger.entries.count == 1)
        let single = try TaskQuery(body: ["id": .string(id)])
        #expect(try provider.reply(to: single, service: "veo", token: "token", number: 1) == [:])
        #expect(try provider.records(["action": "retrieve_batch"], service: "veo").isEmpty)
        clock.advance(by: 3)
        #expect(try provider.reply(to: single, service: "veo", token: "token", number: 1)["id"] == .string(id))
        #expect(try provider.records(["action": "retrieve_batch"], service: "veo").count == 1)
    }

    @Test func `a service limits its unfinished tasks`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock) { $0.limits.concurrentTasksPerService = 2 }
        for _ in 1...2 { try provider.submit("sora/videos", prompt: "[seconds=60] a cat") }
        #expect(throws: ProviderError.tooManyTasks) { try provider.submit("sora/videos", prompt: "a cat") }
        try provider.submit("veo/videos", prompt: "another service has room")
        try provider.submit("sora/videos", prompt: "another user has room", token: "other")
        clock.advance(by: 61)
        try provider.submit("sora/videos", prompt: "a cat")
        #expect(provider.ledger.entries.count == 5)
    }

    @Test func `polls above the limit per second are rejected`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock) { $0.limits.pollsPerSecond = 2 }
        _ = try provider.receivePoll(.retrieve, token: "token")
        clock.advance(by: 0.9)
        _ = try provider.receivePoll(.retrieve, token: "token")
        #expect(throws: ProviderError.tooManyRequests) { try provider.receivePoll(.retrieve, token: "token") }
        clock.advance(by: 0.2)
        _ = try provider.receivePoll(.retrieve, token: "token")
    }

    @Test func `the same seed and the same requests replay the same run`() throws {
        let run = { (seed: UInt64) in
            let provider = SimulatedProvider.provider {
                $0.seed = seed
                $0.faults = FaultPlan(rules: [.init(kind: .lostReply, occurrence: .probability(0.3))])
            }
            for number in 1...30 { try provider.submit("suno/audios", prompt: "song \(number)") }
            return provider.ledger.document
        }
        #expect(try run(1) == run(1))
        #expect(try run(1) != run(2))
    }

    // MARK: The ledger

    @Test func `the ledger says which request was billed twice, whatever its callback and member order`() throws {
        let provider = SimulatedProvider.provider()
        let operation = try SimulatedOperation.named("suno/audios")
        for body: JSONValue in [
            ["prompt": "twice", "model": "chirp-v5", "callback_url": "https://example.com/1"],
            ["model": "chirp-v5", "prompt": "twice", "async": true],
            ["prompt": "once", "async": true],
        ] {
            _ = try provider.submit(operation, body: body, token: "token")
        }
        let ledger = provider.ledger.document
        #expect(ledger["billed"] == 3)
        #expect(ledger["distinct_requests"] == 2)
        #expect(ledger["max_billed_per_request"] == 2)
        #expect(ledger["by_request"]?.arrayValue?.compactMap { $0["count"]?.doubleValue } == [2, 1])
        let doubled = ledger["double_billed"]?.arrayValue
        #expect(doubled?.count == 1)
        #expect(doubled?.first?["request"]?["prompt"] == "twice")
        #expect(doubled?.first?["task_ids"]?.arrayValue?.count == 2)
    }

    @Test func `ledger entries show the current outcome`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock)
        try provider.submit("veo/videos", prompt: "[seconds=5]")
        try provider.submit("veo/videos", prompt: "[seconds=5][fail]")
        let outcomes = { provider.ledger.document["entries"]?.arrayValue?.compactMap { $0["outcome"]?.stringValue } }
        #expect(outcomes() == ["pending", "pending"])
        clock.advance(by: 6)
        #expect(outcomes() == ["succeeded", "failed"])
    }

    @Test func `statistics count by kind and record the busiest second`() throws {
        let clock = ManualClock()
        let provider = SimulatedProvider.provider(clock: clock)
        for polls in [3, 5, 1] {
            for _ in 0..<polls { _ = try provider.receivePoll(.batch, token: "token") }
            clock.advance(by: 1)
        }
        #expect(provider.statistics.document["retrieve_batch"] == ["total": 9, "max_per_second": 5])
        #expect(provider.statistics.document["submit"] == ["total": 0, "max_per_second": 0])
    }

    @Test func `a reset deletes tasks and numbers but keeps the faults`() throws {
        let provider = SimulatedProvider.provider()
        provider.replaceFaults(with: FaultPlan(rules: [.init(kind: .busy, occurrence: .numbers([1]))]))
        #expect(try provider.submit("veo/videos", prompt: "a cat") == nil)
        let id = try #require(try provider.submit("veo/videos", prompt: "a cat"))
        provider.reset()
        #expect(provider.ledger.entries.isEmpty)
        let query = try TaskQuery(body: ["id": .string(id)])
        #expect(try provider.reply(to: query, service: "veo", token: "token", number: 1) == [:])
        #expect(try provider.submit("veo/videos", prompt: "a cat") == nil)
    }
}
