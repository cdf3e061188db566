import HTTPTypes
import ProviderCatalog
import TaskModel
import TaskStore
import Testing
import VerbatimJSON

@Suite struct MoneyRoutesTests {
    private func priced() throws -> ProviderCatalog {
        try ProviderCatalog.builtIn().priced(
            by: "flux/images: {unit: USD, fixed: 0.04, source: https://p.example, as_of: 2026-11-01}",
            file: "prices.yaml", shownName: "prices.yaml")
    }

    private func budget(_ excess: Budget.Excess = .hold) throws -> Budget {
        var budget = Budget(name: "daily", limit: 50_000, unit: try #require(MoneyUnit("USD")), period: .day)
        budget.onExceed = excess
        return budget
    }

    /// Starts an attempt without sending it.
    private func start(_ text: String, in api: APIHarness) async throws {
        let id = try #require(TaskID(text))
        var event = ScheduledEvent(
            .submissionStarted(), for: id, under: LeaseName(stored: "xhuoapi/default"), nextDueAt: APIHarness.start)
        let name = try #require(EndpointName("flux/images"))
        event.charge = try priced().endpoint(name)?.charge(for: [:])
        _ = try await api.store.apply([event], at: APIHarness.start)
    }

    @Test func `spending is shown by what was asked for`() async throws {
        try await APIHarness.run(catalog: try priced()) { api in
            try await start(try await api.submit("x", extra: #","labels":{"project":"web"}"#), in: api)
            let spend = try await api.ask(.get, "/v1/spend?by=label.project&since=2026-01-01T00:00:00Z").json
            #expect(spend["by"] == "label.project")
            #expect(spend["since"] == "2026-01-01T00:00:00.000Z")
            let row = try #require(spend["rows"]?.array?.first)
            #expect(row["key"] == "web")
            #expect(row["attempts"] == 1)
            #expect(row["reserved"] == [["micros": 40_000, "unit": "USD", "amount": "0.04"]])
            #expect(row["spent"] == [["micros": 0, "unit": "USD", "amount": "0"]])
            #expect(spend["total"]?["key"] == JSONValue.null)
            #expect(try await api.ask(.get, "/v1/spend").json["by"] == "endpoint")
            #expect(try await api.ask(.get, "/v1/spend?by=month").problemCode == "invalid_parameter")
            let days = try await api.ask(.get, "/v1/spend?by=day").json
            #expect(days["rows"]?.array?.map { $0["key"]?.string } == [String(APIHarness.start.rfc3339.prefix(10))])
            #expect(days["total"]?["attempts"] == 1)
            #expect(try await api.ask(.get, "/v1/spend?since=yesterday").problemCode == "invalid_parameter")
            #expect(try await api.ask(.get, "/v1/spend?sinse=x").problemCode == "invalid_parameter")
        }
    }

    @Test func `a budget shows what is used, and its limit can be set`() async throws {
        try await APIHarness.run(catalog: try priced()) { api in
            #expect(try await api.ask(.get, "/v1/budgets").json == ["budgets": []])
            try await api.store.keepBudgets([try budget()], at: APIHarness.start)
            try await start(try await api.submit("x"), in: api)
            let budget = try #require(try await api.ask(.get, "/v1/budgets").json["budgets"]?.array?.first)
            #expect(budget["limit"]?["amount"] == "0.05")
            #expect(budget["settings_limit"] == JSONValue.null)
            #expect(budget["shares"]?.array?.first?["left"]?["amount"] == "0.01")
            #expect(budget["period_end"]?.string?.hasSuffix("T00:00:00.000Z") ?? false)
            let set = try await api.ask(.post, "/v1/budgets/daily", #"{"limit": "0.1"}"#).json
            #expect(set["limit"]?["micros"] == 100_000)
            #expect(set["settings_limit"]?["amount"] == "0.05")
            let reset = try await api.ask(.post, "/v1/budgets/daily", "{}").json
            #expect(reset["limit"]?["amount"] == "0.05")
            let unknown = try await api.ask(.post, "/v1/budgets/dialy", #"{"limit": "1"}"#)
            #expect(unknown.status == 404 && unknown.problemCode == "unknown_budget")
            #expect(unknown.json["nearest"] == ["daily"])
            #expect(try await api.ask(.post, "/v1/budgets/daily", #"{"limit": "-1"}"#).problemCode == "invalid_field")
            #expect(try await api.ask(.post, "/v1/budgets/daily", #"{"limit": 20}"#).problemCode == "invalid_field")
        }
    }

    @Test func `a submission over a budget that refuses gets 402, alone or as a line`() async throws {
        try await APIHarness.run(catalog: try priced()) { api in
            try await api.store.keepBudgets([try budget(.refuse)], at: APIHarness.start)
            try await start(try await api.submit("x"), in: api)
            let body = #"{"endpoint":"flux/images","request":{"prompt":"y"}}"#
            let refused = try await api.ask(.post, "/v1/tasks", body)
            #expect(refused.status == 402 && refused.problemCode == "over_budget")
            #expect(refused.json["budget"] == "daily")
            #expect(refused.json["missing"]?["amount"] == "0.03")
            var headers = HTTPFields()
            headers[.contentType] = "application/x-ndjson"
            let lines = try await api.ask(.post, "/v1/tasks", body + "\n", headers: headers)
            #expect(lines.text.contains("over_budget"))
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.count == 1)
        }
    }

    @Test func `only a queued task can be approved`() async throws {
        try await APIHarness.run(catalog: try priced()) { api in
            let id = try await api.submit("x")
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/approve").json["state"] == "queued")
            try await start(id, in: api)
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/approve").problemCode == "not_queued")
            #expect(try await api.ask(.post, "/v1/tasks/01a20915/approve").problemCode == "task_not_found")
        }
    }

    @Test func `an endpoint shows its price and where it is from`() async throws {
        try await APIHarness.run(catalog: try priced()) { api in
            let price = try await api.ask(.get, "/v1/endpoints/flux/images").json["price"]
            #expect(price?["words"] == "0.04 USD")
            #expect(price?["origin"] == "prices.yaml")
            #expect(price?["source"] == "https://p.example")
            #expect(price?["as_of"] == "2026-11-01")
            #expect(try await api.ask(.get, "/v1/endpoints/suno/audios").json["price"] == JSONValue.null)
        }
    }
}
