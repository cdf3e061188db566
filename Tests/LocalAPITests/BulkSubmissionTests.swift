import BoundedMemory
import HTTPTypes
import Testing
import VerbatimJSON

@Suite struct BulkSubmissionTests {
    @Test func `a key in the header gives each line a key with its line number`() async throws {
        try await APIHarness.run { api in
            let lines = """
                {"endpoint":"flux/images","request":{"prompt":"1"}}

                {"endpoint":"flux/images","request":{"prompt":"3"}}
                {"endpoint":"flux/images","request":{"prompt":"4"},"idempotency_key":"own"}
                """
            let headers: HTTPFields = [
                .contentType: "application/x-ndjson", HTTPField.Name("Idempotency-Key")!: "order-7",
            ]
            func ids(_ text: String) async throws -> [String?] {
                let answer = try await api.ask(.post, "/v1/tasks", text, headers: headers)
                #expect(answer.status == 200)
                return try answer.text.split(separator: "\n").map { try JSONValue(parsing: String($0))["id"]?.string }
            }
            let first = try await ids(lines)
            #expect(Set(first.compactMap(\.self)).count == 3)
            #expect(try await ids(lines) == first)
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.count == 3)
            for (key, prompt, id) in [
                ("order-7/1", "1", first[0]), ("order-7/3", "3", first[1]), ("own", "4", first[2]),
            ] {
                let again = try await api.ask(
                    .post, "/v1/tasks",
                    #"{"endpoint":"flux/images","request":{"prompt":"\#(prompt)"},"idempotency_key":"\#(key)"}"#)
                #expect(again.status == 200)
                #expect(again.json["id"]?.string == id)
            }
        }
    }

    @Test(arguments: [
        ("k k", 422), (String(repeating: "k", count: 247), 422), (String(repeating: "k", count: 246), 200),
    ])
    func `a key too long to be numbered is refused before any line is stored`(key: String, status: Int) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(
                .post, "/v1/tasks", #"{"endpoint":"flux/images","request":{}}"#,
                headers: [.contentType: "application/x-ndjson", HTTPField.Name("Idempotency-Key")!: key])
            #expect(answer.status == status)
            #expect((answer.problemCode == "invalid_field") == (status == 422))
            let stored = try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.count
            #expect(stored == (status == 422 ? 0 : 1))
        }
    }

    @Test func `a response shows the current state of an existing task`() async throws {
        try await APIHarness.run { api in
            let id = try await api.submit("known", extra: #","idempotency_key":"k""#)
            try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            let answer = try await api.ask(
                .post, "/v1/tasks",
                #"{"endpoint":"flux/images","request":{"prompt":"known"},"idempotency_key":"k"}"#,
                headers: [.contentType: "application/x-ndjson"])
            #expect(answer.json["id"]?.string == id)
            #expect(answer.json["state"] == "cancelled")
        }
    }

    @Test func `a line beyond the memory budget fails, and the lines before it are stored`() async throws {
        let budget = ByteBudget(capacity: 10 << 20)
        try await APIHarness.run(bodies: budget) { api in
            let long = String(repeating: "x", count: 3 << 20)
            let lines = """
                {"endpoint":"flux/images","request":{"prompt":"1"}}
                {"endpoint":"flux/images","request":{"prompt":"\(long)"}}
                """
            let answer = try await api.ask(.post, "/v1/tasks", lines, headers: [.contentType: "application/x-ndjson"])
            let answers = try answer.text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
            #expect(answers.map { $0["state"]?.string ?? $0["code"]?.string } == ["queued", "busy"])
            #expect(answers.last?["detail"]?.string?.contains("line 2") == true)
            #expect(budget.used == 0)
        }
    }
}
