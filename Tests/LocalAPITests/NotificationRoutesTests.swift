import HTTPTypes
import TaskModel
import Testing
import VerbatimJSON

@testable import LocalAPI
@testable import TaskEngine

@Suite struct NotificationRoutesTests {
    @Test func `without destinations the lists are empty, and every name is unknown`() async throws {
        try await APIHarness.run { api in
            #expect(try await api.ask(.get, "/v1/notifications").json == ["destinations": []])
            #expect(try await api.ask(.get, "/v1/notifications/dead").json == ["dead_letters": []])
            for (path, body) in [("test", nil), ("replay", #"{"dead": true}"#)] as [(String, String?)] {
                let answer = try await api.ask(.post, "/v1/notifications/backend/\(path)", body)
                #expect(answer.status == 404)
                #expect(answer.json["code"] == "unknown_destination")
                #expect(answer.json["title"] == "Destination not found")
            }
            #expect(try await api.ask(.get, "/v1/status").json["destinations"] == [])
        }
    }

    @Test(arguments: [
        ("{}", "missing_field"), (#"{"task": "x", "dead": true}"#, "invalid_field"),
        (#"{"dead": false}"#, "invalid_field"),
        (#"{"since": "yesterday"}"#, "invalid_field"), (#"{"sinc": "x"}"#, "unknown_field"),
    ])
    func `a replay names what it is about`(body: String, code: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/notifications/backend/replay", body)
            #expect(answer.status == 422, "\(answer.text)")
            #expect(answer.json["code"]?.string == code)
        }
    }

    @Test func `a submission that names no destination of the settings is refused`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(
                .post, "/v1/tasks", #"{"endpoint":"flux/images","request":{"prompt":"x"},"notify":"backend"}"#)
            #expect(answer.status == 422)
            #expect(answer.json["code"] == "invalid_field")
            #expect(answer.json["fields"] == ["notify"])
        }
    }

    @Test func `a notification contains the task without what was not asked for`() throws {
        let id = try #require(TaskID("019ab0c2-1111-7a41-9c55-2f6d0b8e4a17"))
        let endpoint = try #require(EndpointName("flux/images"))
        let at = Timestamp(milliseconds: 1_795_000_000_000)
        var task = TrackedTask(id: id, endpoint: endpoint, state: .succeeded, createdAt: at)
        task.notify = "backend"
        let stored = TaskWithPayload(
            task: task, payload: TaskPayload(request: ["prompt": "x"], response: ["n": 2]))
        let notification = TaskNotification(id: "e-1", type: "task.succeeded", at: at, task: stored)
        let body = NotificationBody.json(of: notification, including: [.response])
        #expect(body["type"] == "task.succeeded")
        #expect(body["timestamp"]?.string == at.rfc3339)
        let shown = try #require(body["data"]?["task"]?.object)
        #expect(shown["id"]?.string == id.text)
        #expect(shown["response"]?.text == #"{"n":2}"#)
        #expect(shown["request"] == nil && shown["results"] == nil)
        #expect(shown["notify"] == "backend")
        let ping = TaskNotification(id: "e-ping-1", type: "pollux.ping", at: at, task: nil)
        #expect(NotificationBody.json(of: ping, including: [])["data"] == [:])
    }
}
