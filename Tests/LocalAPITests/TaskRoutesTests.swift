import HTTPTypes
import SQLiteDriver
import TaskStore
import TaskModel
import Testing
import VerbatimJSON

@Suite struct TaskRoutesTests {
    @Test func `a submission returns the stored task`() async throws {
        try await APIHarness.run { api in
            let request = #"{"prompt":"x","seed":12345678901234567890,"cfg":1.0,"z":null,"a":[1e3]}"#
            let answer = try await api.ask(
                .post, "/v1/tasks",
                #"{"endpoint":"flux/images","request":\#(request),"labels":{"order":"7"},"priority":5,"on_uncertain":"fail"}"#
            )
            #expect(answer.status == 201)
            #expect(answer.json["request"]?.text == request)
            #expect(answer.json["state"] == "queued")
            #expect(answer.json["labels"] == ["order": "7"])
            #expect(answer.json["on_uncertain"] == "fail")
            #expect(answer.json["waiting_for"]?["code"] == "no_token")
            let id = try #require(answer.json["id"]?.string)
            #expect(answer.headers[.location] == "/v1/tasks/\(id)")
            #expect(try await api.ask(.get, "/v1/tasks/\(id)").json == answer.json)
            #expect(try await api.store.taskWithPayload(#require(TaskID(id)))?.payload.request.text == request)
        }
    }

    @Test func `a repeated key returns the same task, and another body with that key is a conflict`() async throws {
        try await APIHarness.run { api in
            let key = try #require(HTTPField.Name("Idempotency-Key"))
            let body = #"{"endpoint":"flux/images","request":{"prompt":"x","n":1}}"#
            let first = try await api.ask(.post, "/v1/tasks", body, headers: [key: "k1"])
            #expect(first.status == 201)
            let reordered = #"{"request":{"n":1,"prompt":"x"},"endpoint":"flux/images"}"#
            let second = try await api.ask(.post, "/v1/tasks", reordered, headers: [key: "k1"])
            #expect(second.status == 200)
            #expect(second.json["id"] == first.json["id"])
            let other = #"{"endpoint":"flux/images","request":{"prompt":"y","n":1},"idempotency_key":"k1"}"#
            let third = try await api.ask(.post, "/v1/tasks", other)
            #expect(third.status == 409)
            #expect(third.problemCode == "idempotency_key_reused")
            #expect(third.json["existing_id"] == first.json["id"])
            #expect(third.json["fields"] == ["request.prompt"])
            let both = try await api.ask(.post, "/v1/tasks", other, headers: [key: "k2"])
            #expect(both.problemCode == "invalid_field")
        }
    }

    @Test func `a note is shown with its task, and a repeated key ignores it`() async throws {
        try await APIHarness.run { api in
            func body(_ note: String) -> String {
                #"{"endpoint":"flux/images","request":{"n":1},"idempotency_key":"k"\#(note)}"#
            }
            let first = try await api.ask(.post, "/v1/tasks", body(#","note":"first""#))
            #expect(first.status == 201)
            #expect(first.json["note"] == "first")
            let listed = try await api.ask(.get, "/v1/tasks")
            #expect(listed.json["tasks"]?.array?.first?["note"] == "first")
            for note in [#","note":"second""#, ""] {
                let again = try await api.ask(.post, "/v1/tasks", body(note))
                #expect(again.status == 200 && again.json["id"] == first.json["id"] && again.json["note"] == "first")
            }
            let long = String(repeating: "n", count: 201)
            let refused = try await api.ask(.post, "/v1/tasks", body(#","note":"\#(long)""#))
            #expect(refused.status == 422 && refused.json["fields"] == ["note"])
            let none = try await api.ask(.post, "/v1/tasks", #"{"endpoint":"flux/images","request":{}}"#)
            #expect(none.json["note"] == .null)
        }
    }

    @Test func `a time may be given as a duration, and a repeated key ignores that it ends later`() async throws {
        try await APIHarness.run { api in
            let body = #"{"endpoint":"flux/images","request":{"n":1},"not_before":"+90","deadline":"+1h30m"}"#
            let key = try #require(HTTPField.Name("Idempotency-Key"))
            let first = try await api.ask(.post, "/v1/tasks", body, headers: [key: "k"])
            #expect(first.status == 201)
            #expect(first.json["not_before"]?.string == (APIHarness.start + .seconds(90)).rfc3339)
            #expect(first.json["deadline"]?.string == (APIHarness.start + .seconds(5_400)).rfc3339)
            let again = try await api.ask(
                .post, "/v1/tasks", body.replacing(":1}", with: ":1.0}").replacing("+1h30m", with: "+2h"),
                headers: [key: "k"])
            #expect(again.status == 200 && again.json["id"] == first.json["id"])
            let other = try await api.ask(
                .post, "/v1/tasks", body.replacing(":1}", with: ":2}"), headers: [key: "k"])
            #expect(other.problemCode == "idempotency_key_reused")
            #expect(other.json["detail"]?.string?.contains("request.n is 1 in the task and 2 in the request") == true)
            let tracked = try await api.ask(
                .post, "/v1/tasks/adopt", #"{"endpoint":"flux/images","remote_id":"r-1","deadline":"+2h"}"#)
            #expect(tracked.json["deadline"]?.string == (APIHarness.start + .seconds(7_200)).rfc3339)
        }
    }

    @Test(arguments: [
        (#"{"endpoint":"flux/images","request":{}"#, 400, "invalid_json"),
        ("", 400, "invalid_json"),
        (#"{"endpoint":"flux/images","request":{},"request":{}}"#, 400, "invalid_json"),
        (#"{"endpoint":"flux/images","request":{"p":"\ud83d"}}"#, 400, "invalid_json"),
        ("[]", 422, "invalid_field"),
        (#"{"request":{}}"#, 422, "missing_field"),
        (#"{"endpoint":"flux/images"}"#, 422, "missing_field"),
        (#"{"endpoint":"flux/images","request":[]}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/image","request":{}}"#, 422, "unknown_endpoint"),
        (#"{"endpoint":"flux","request":{}}"#, 422, "unknown_endpoint"),
        (#"{"endpoint":7,"request":{}}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"dedline":1}"#, 422, "unknown_field"),
        (#"{"endpoint":"flux/images","request":{},"deadline":"tomorrow"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"deadline":"2h"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"deadline":"+-2h"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"deadline":"+0s"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"deadline":"2020-01-01T00:00:00Z"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"not_before":"2026-11-23T10:00:00"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"priority":"high"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"priority":1001}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"on_uncertain":"pray"}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"labels":{"a":1}}"#, 422, "invalid_field"),
        (#"{"endpoint":"flux/images","request":{},"idempotency_key":""}"#, 422, "invalid_field"),
    ])
    func `an invalid submission is refused with its reason`(body: String, status: Int, code: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks", body)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.problemCode == code, "\(answer.text)")
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"] == [])
        }
    }

    @Test func `a body over 8 MiB is refused`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks", String(repeating: " ", count: 9 << 20))
            #expect(answer.status == 413)
            #expect(answer.problemCode == "body_too_large")
        }
    }

    @Test func `deep nesting is refused in every member`() async throws {
        try await APIHarness.run { api in
            let deep = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
            let answer = try await api.ask(
                .post, "/v1/tasks", #"{"endpoint":"flux/images","request":{"x":\#(deep)}}"#)
            #expect(answer.status == 400)
            #expect(answer.problemCode == "invalid_json")
        }
    }

    @Test func `each line of a batch has its own response, and an invalid line fails alone`() async throws {
        try await APIHarness.run { api in
            let lines = """
                {"endpoint":"flux/images","request":{"prompt":"1"}}
                {"endpoint":"flux/nope","request":{}}

                not json
                {"endpoint":"flux/images","request":{"prompt":"2"}}
                """
            let answer = try await api.ask(
                .post, "/v1/tasks", lines, headers: [.contentType: "application/x-ndjson"])
            #expect(answer.status == 200)
            let answers = try answer.text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
            #expect(
                answers.map { $0["state"]?.string ?? $0["code"]?.string } == [
                    "queued", "unknown_endpoint", "invalid_json", "queued",
                ])
            #expect(answers.last?["request"] == ["prompt": "2"])
        }
    }

    @Test func `a list is paged, and new tasks do not shift the pages`() async throws {
        try await APIHarness.run { api in
            var ids: [String] = []
            for number in 1...5 { ids.append(try await api.submit("\(number)")) }
            let first = try await api.ask(.get, "/v1/tasks?limit=2")
            #expect(first.json["tasks"]?.array?.map { $0["id"]?.string } == [ids[4], ids[3]])
            _ = try await api.submit("6")
            let cursor = try #require(first.json["next_cursor"]?.string)
            let second = try await api.ask(.get, "/v1/tasks?limit=3&cursor=\(cursor)")
            #expect(second.json["tasks"]?.array?.map { $0["id"]?.string } == [ids[2], ids[1], ids[0]])
            #expect(second.json["next_cursor"] == .null)
        }
    }

    @Test func `filters narrow a list`() async throws {
        try await APIHarness.run { api in
            let red = try await api.submit("1", extra: #","labels":{"colour":"red","n":"1"}"#)
            let blue = try await api.submit("2", extra: #","labels":{"colour":"blue","n":"1"}"#)
            try await api.ask(.post, "/v1/tasks/\(blue)/cancel")
            for (query, expected) in [
                ("label=colour:red", [red]), ("label=n:1", [blue, red]), ("label=n:1&label=colour:blue", [blue]),
                ("state=cancelled", [blue]), ("state=queued,cancelled", [blue, red]), ("endpoint=suno/audios", []),
                ("endpoint=suno/audios,flux/images", [blue, red]), ("created_before=2000-01-01T00:00:00Z", []),
                ("created_after=2000-01-01T00:00:00%2B01:00", [blue, red]),
            ] {
                let answer = try await api.ask(.get, "/v1/tasks?\(query)")
                #expect(
                    answer.json["tasks"]?.array?.compactMap { $0["id"]?.string } == expected, "\(query): \(answer.text)"
                )
            }
        }
    }

    @Test func `a list leaves out documents, and its filters can be counted`() async throws {
        try await APIHarness.run { api in
            _ = try await api.submit("1", extra: #","labels":{"n":"1"}"#)
            _ = try await api.submit("2", extra: #","labels":{"n":"2"}"#)
            func members(_ query: String) async throws -> Set<String> {
                let answer = try await api.ask(.get, "/v1/tasks\(query)")
                let tasks = try #require(answer.json["tasks"]?.array, "\(answer.text)")
                #expect(tasks.count == 2)
                return Set(tasks.first?.object?.names ?? []).intersection(["request", "response", "results", "state"])
            }
            #expect(try await members("") == ["request", "response", "results", "state"])
            for none in ["?include=none", "?include=", "?include"] { #expect(try await members(none) == ["state"]) }
            #expect(try await members("?include=results") == ["results", "state"])
            #expect(try await members("?include=results,request") == ["results", "request", "state"])
            for (query, count) in [("", 2), ("?label=n:2", 1), ("?state=running", 0), ("?waiting_for=budget", 0)] {
                let answer = try await api.ask(.get, "/v1/tasks/count\(query)")
                #expect(answer.json == ["count": JSONValue.number(JSONNumber(count)), "complete": true])
            }
            #expect(try await api.ask(.get, "/v1/labels").json == ["texts": ["n"]])
            #expect(try await api.ask(.get, "/v1/labels?name=n&prefix=2").json == ["texts": ["2"]])
            for path in ["tasks/count?limit=1", "tasks/count?state=x", "labels?limit=0", "labels?x=1"] {
                #expect(try await api.ask(.get, "/v1/\(path)").problemCode == "invalid_parameter", "\(path)")
            }
        }
    }

    @Test(arguments: [
        "include=record", "include=all", "waiting_for=person", "waiting_for=", "state=done", "state=", "limit=0",
        "limit=-1", "limit=501", "limit=x", "limit=+5", "limit=1&limit=2", "cursor=",
        "cursor=c", "cursor=c-1", "cursor=' OR 1=1", "cursor=czzzzzzzzzzzzzzzzzzzz", "label=x", "label=:x",
        "label=a:1&label=a:2", "created_after=yesterday", "created_before=2026-13-01T00:00:00Z", "endpoint=flux", "x=1",
    ])
    func `an invalid query parameter is refused by name`(query: String) async throws {
        try await APIHarness.run { api in
            let escaped = query.replacing(" ", with: "%20").replacing("'", with: "%27")
            let answer = try await api.ask(.get, "/v1/tasks?\(escaped)")
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.problemCode == "invalid_parameter")
            #expect(answer.json["fields"]?.array?.count == 1)
        }
    }

    @Test func `a unique prefix of an id finds its task, and an ambiguous one is refused with candidates`() async throws
    {
        try await APIHarness.run { api in
            let first = try await api.submit("1")
            let second = try await api.submit("2")
            // Both have the same millisecond, so 13 characters are equal.
            let answer = try await api.ask(.get, "/v1/tasks/\(first.prefix(13))")
            #expect(answer.status == 409)
            #expect(answer.problemCode == "ambiguous_id")
            #expect(Set(answer.json["candidates"]?.array?.compactMap(\.string) ?? []) == [first, second])
            let length = zip(first, second).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            let unique = first.prefix(try #require(length) + 1).uppercased()
            #expect(try await api.ask(.get, "/v1/tasks/\(unique)").json["id"]?.string == first)
        }
    }

    @Test(arguments: ["xyz", "0199", "%2e%2e", "00000000-0000-7000-8000-000000000000", "'"])
    func `an unknown id is not found`(id: String) async throws {
        try await APIHarness.run { api in
            for (method, suffix) in [(HTTPRequest.Method.get, ""), (.get, "/events"), (.post, "/cancel")] {
                let answer = try await api.ask(method, "/v1/tasks/\(id)\(suffix)")
                #expect(answer.status == 404, "\(answer.text)")
                #expect(answer.problemCode == "task_not_found")
            }
        }
    }

    @Test(arguments: ["-1", "301", "x", "nan", "inf", "1e9", ""])
    func `an invalid wait time is refused`(seconds: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.get, "/v1/tasks/\(try await api.submit("1"))?wait_seconds=\(seconds)")
            #expect(answer.status == 400)
            #expect(answer.problemCode == "invalid_parameter")
        }
    }

    @Test func `only a succeeded task shows results`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks/adopt", #"{"endpoint":"flux/images","remote_id":"r1"}"#)
            let id = try #require(answer.json["id"]?.string)
            let task = try #require(TaskID(id))
            let record: JSONValue = [
                "id": "r1", "request": ["image_url": "https://x/in.png"],
                "response": ["success": true, "data": [["image_url": "https://x/out.png"]]],
            ]
            let now = APIHarness.start
            _ = try await api.store.apply(
                .observed(Observation(.pending, record: record)), to: task, at: now, nextDueAt: now)
            let running = try await api.ask(.get, "/v1/tasks/\(id)").json
            #expect(running["response"] == record)
            #expect(running["results"] == [])
            var observation = Observation(.succeeded(partial: false), record: record)
            observation.results = [
                TaskResult(
                    kind: .url, pointer: try #require(JSONPointer("/response/data/0/image_url")),
                    value: "https://x/out.png", mediaType: "image/png")
            ]
            _ = try await api.store.apply(.observed(observation), to: task, at: now, nextDueAt: now)
            let expected: JSONValue = [
                [
                    "kind": "url", "pointer": "/response/data/0/image_url", "value": "https://x/out.png",
                    "media_type": "image/png", "size_bytes": nil, "artefact": nil,
                ]
            ]
            #expect(try await api.ask(.get, "/v1/tasks/\(id)").json["results"] == expected)
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.first?["results"] == expected)
        }
    }

    @Test func `a wait ends with the task`() async throws {
        try await APIHarness.run { api in
            let id = try await api.submit("1")
            async let waiting = api.ask(.get, "/v1/tasks/\(id)?wait_seconds=300")
            try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            #expect(try await waiting.json["state"] == "cancelled")
        }
    }
}
