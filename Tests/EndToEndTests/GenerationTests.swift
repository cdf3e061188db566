import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    @Suite struct GenerationTests {
        @Test func `a task of every service is paid once and ends with the provider's own record`() async throws {
            let endpoints = [
                "midjourney/imagine", "suno/audios", "veo/videos", "sora/videos", "kling/videos", "luma/videos",
                "flux/images",
            ]
            try await withWorld { world in
                try await world.daemon.start()
                var ids: [String: String] = [:]
                for endpoint in endpoints {
                    // Digits and an order that a careless parser would change.
                    let request: JSONValue = .object(
                        JSONObject([
                            ("prompt", "a fox [seconds=30]"),
                            ("seed", try JSONValue(parsing: "1234567890123456789")),
                            ("weight", try JSONValue(parsing: "1.0")),
                        ]))
                    let task = try await world.daemon.submit(endpoint, request)
                    #expect(task.at("state").string == "queued")
                    #expect(
                        task.at("request").text
                            == #"{"prompt":"a fox [seconds=30]","seed":1234567890123456789,"weight":1.0}"#)
                    ids[endpoint] = task.at("id").string
                }
                for endpoint in endpoints {
                    let task = try await world.daemon.ended(ids[endpoint] ?? "")
                    #expect(task.at("state").string == "succeeded", "\(endpoint)")
                    #expect(task.at("error") == .null)
                    #expect(task.at("attempts").integer == 1)
                    let record = task.at("response")
                    #expect(record.at("id").string == task.at("remote_id").string, "\(endpoint)")
                    #expect(record.at("response", "success").bool == true, "\(endpoint)")
                    #expect(record.at("request", "seed").number?.digits == "1234567890123456789")
                    #expect(
                        try await world.daemon.kinds(of: ids[endpoint] ?? "")
                            == ["created", "submission_started", "submission_accepted", "observed"])
                }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == endpoints.count)
                #expect(ledger.mostPerRequest == 1)
            }
        }

        @Test(arguments: ["plain", "unstamped", "uncoded", "string", "item"])
        func `a failed task has the provider's reason in any of its formats`(style: String) async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("suno/audios", ["prompt": .string("x [fail:\(style)] [seconds=10]")])
                    .at("id").string ?? ""
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "failed")
                #expect(task.at("error", "code").string?.isEmpty == false)
                #expect(task.at("error", "message").string?.isEmpty == false)
                #expect(task.at("response", "id").string == task.at("remote_id").string)
            }
        }

        @Test func `a song request with one failed output of two is a partial success`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("suno/audios", ["prompt": "x [partial] [seconds=10]"]).at("id").string
                    ?? ""
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("partial").bool == true)
            }
        }

        @Test func `a rejected prompt fails immediately and is not billed`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id = try await world.daemon.submit("flux/images", ["prompt": "x [moderated]"]).at("id").string ?? ""
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "failed")
                #expect(task.at("error", "code").string == "forbidden")
                #expect(task.at("error", "http_status").integer == 403)
                #expect(try await world.sandbox.ledger().billed == 0)
            }
        }

        @Test func `concurrent submissions with one key create one task`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let document = world.daemon.submission(
                    "flux/images", ["prompt": "x [seconds=10]"], with: ["idempotency_key": "one"])
                let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                    for _ in 0..<20 {
                        group.addTask { try await world.daemon.ask("POST", "/v1/tasks", json: document) }
                    }
                    return try await group.reduce(into: [Reply]()) { $0.append($1) }
                }
                #expect(replies.count { $0.status == 201 } == 1)
                #expect(replies.count { $0.status == 200 } == 19)
                let ids = Set(try replies.compactMap { try $0.json.at("id").string })
                #expect(ids.count == 1)
                _ = try await world.daemon.ended(ids.first ?? "")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a cancelled or expired task is tracked again after reopening`() async throws {
            try await withWorld(environment: ["POLLUX_TEST_STEADY_SPAN_SECONDS": "0"]) { world in
                try await world.daemon.start()
                let cancelled =
                    try await world.daemon.submit("veo/videos", ["prompt": "1 [seconds=120]"]).at("id").string ?? ""
                try await world.daemon.process.logged("submitting → running")
                #expect(
                    try await world.daemon.ask("POST", "/v1/tasks/\(cancelled)/cancel").json.at("state").string
                        == "cancelled")
                for id in [cancelled, try await expiredWhileRunning(world)] {
                    let reopened = try await world.daemon.ask("POST", "/v1/tasks/\(id)/reopen").json
                    #expect(reopened.at("state").string == "running", "\(reopened.text)")
                    #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                }
                #expect(try await world.sandbox.ledger().mostPerRequest == 1)
            }
        }

        /// Returns a task that expired after the provider accepted it. Tries longer deadlines until one suits this
        /// machine.
        private func expiredWhileRunning(_ world: World) async throws -> String {
            for seconds in [2, 8, 32, 100] {
                let deadline = Date(timeIntervalSinceNow: Double(seconds)).formatted(
                    .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted))
                // Sixty provider seconds pass in one real second, so it would end long after its deadline.
                let document = world.daemon.submission(
                    "veo/videos", ["prompt": .string("\(seconds) [seconds=\(seconds * 300)]")],
                    with: ["deadline": .string(deadline)])
                let reply = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                guard reply.status == 201 else {
                    #expect(reply.text.contains("has already passed"))
                    continue
                }
                let id = try reply.json.at("id").string ?? ""
                let ended = try await world.daemon.ended(id)
                #expect(ended.at("state").string == "expired", "\(ended.text)")
                if ended.at("remote_id").string != nil { return id }
            }
            throw TooLate(description: "No task was taken within 100 s")
        }

        @Test func `provider limits, throttling and errors delay tasks, and lose and duplicate none`() async throws {
            let faults =
                "429=0.2,429-retry-after=0.05:1s,busy=0.1,poll-429=0.1,poll-502=0.1,poll-lost=0.1,poll-429-retry-after=0.02:1s"
            try await withWorld(faults: faults, environment: ["POLLUX_SUBMISSION_MAX_IN_FLIGHT": "4"]) { world in
                try await world.daemon.start()
                var ids: [String] = []
                for number in 0..<20 {
                    let task = try await world.daemon.submit(
                        number.isMultiple(of: 2) ? "suno/audios" : "kling/videos",
                        ["prompt": .string("\(number) [seconds=10]")])
                    ids.append(task.at("id").string ?? "")
                }
                for id in ids {
                    #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                }
                #expect(try await world.sandbox.ledger().billed == 20)
                #expect(try await world.sandbox.ledger().mostPerRequest == 1)
            }
        }
    }
}
