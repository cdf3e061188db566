import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests that a provider's wait time is a lower limit for the next poll.
@Suite(.timeLimit(.minutes(2))) struct WaitHintTests {
    private static let definition = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        endpoints:
          image/make:
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/tasks/{id}", wait: {header: X-Poll-After-Ms, unit: milliseconds}}
            state: [{at: /status, pending: [running], succeeded: [done], failed: [bad]}]
            results: [/url]
            typical_seconds: 2
          calm/make:
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/tasks/{id}"}
            state: [{at: /status, pending: [running], succeeded: [done], failed: [bad]}]
            results: [/url]
            typical_seconds: 2
            min_gap_seconds: 25
        """

    /// The seconds from the reply to the next poll.
    private func gap(_ endpoint: String = "image/make", after reply: UpstreamReply) async throws -> Double {
        let world = try await EngineWorld(definition: Self.definition)
        let id = try await world.insert(.task(1, state: .running, endpoint: endpoint))
        world.provider.enqueue(reply)
        _ = try await world.engine.scheduler.step()
        #expect(world.provider.sent.count == 1)
        #expect(try await world.task(id).state == .running)
        return try #require(try await world.task(id).nextDueAt.map { ($0 - world.time.now()).inSeconds })
    }

    private func reply(
        _ status: String = "running", retryAfter: Duration? = nil, headers: [String: String] = [:]
    ) -> UpstreamReply {
        UpstreamReply(
            status: 200, retryAfter: retryAfter, headers: headers,
            body: JSONValue.object(JSONObject([("status", .string(status))])).utf8)
    }

    @Test func `without a wait time the schedule decides`() async throws {
        #expect(try await gap(after: reply()) < 10)
    }

    @Test func `Retry-After with a pending record is a lower limit`() async throws {
        #expect(try await gap(after: reply(retryAfter: .seconds(90))) == 90)
    }

    @Test func `a declared header is a lower limit in its unit`() async throws {
        #expect(try await gap(after: reply(headers: ["x-poll-after-ms": " 45000"])) == 45)
        #expect(try await gap(after: reply(retryAfter: .seconds(20), headers: ["x-poll-after-ms": "45000"])) == 45)
    }

    @Test(arguments: ["", "soon", "-5", "nan", "inf", "1e400"])
    func `an invalid header is ignored`(value: String) async throws {
        #expect(try await gap(after: reply(headers: ["x-poll-after-ms": value])) < 10)
    }

    @Test func `a wait time is limited to ten minutes`() async throws {
        #expect(try await gap(after: reply(retryAfter: .seconds(86_400 * 365))) == 600)
        #expect(try await gap(after: reply(headers: ["x-poll-after-ms": "1e18"])) == 600)
    }

    @Test func `an endpoint's smallest gap is a lower limit`() async throws {
        #expect(try await gap("calm/make", after: reply()) == 25)
        #expect(try await gap("calm/make", after: reply(retryAfter: .seconds(40))) == 40)
    }

    @Test func `the wait time of an accepted submission is a lower limit`() async throws {
        let world = try await EngineWorld(definition: Self.definition)
        let id = try await world.submit()
        world.provider.enqueue(
            UpstreamReply(
                status: 202, retryAfter: .seconds(70), body: JSONValue.object(JSONObject([("id", "r-1")])).utf8))
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).nextDueAt.map { ($0 - world.time.now()).inSeconds } == 70)
    }

    @Test func `the wait time of a failed query is ignored`() throws {
        let profile = try #require(
            try ProviderCatalog(definitions: [("testing.yaml", Self.definition)]).endpoints.first)
        #expect(
            profile.dialect.minimumPollDelay(from: UpstreamReply(status: 503, retryAfter: .seconds(90), body: []))
                == nil)
    }
}
