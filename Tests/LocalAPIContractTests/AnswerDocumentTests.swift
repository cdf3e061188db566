import LocalAPIContract
import Testing
import VerbatimJSON

@Suite struct AnswerDocumentTests {
    private let task: TaskDocument

    init() {
        var task = TaskDocument(
            id: "019ab0c2-0000-7000-8000-000000000001", endpoint: "suno/audios", state: "running",
            createdAt: "2026-11-23T14:00:00.000Z")
        task.partial = true
        task.labels = ["batch": "7"]
        task.request = ["prompt": "hi"]
        task.response = ["success": true, "data": ["audio_url": "https://x/a.mp3", "b64_json": "AAAA"]]
        task.results = [
            .init(kind: "url", pointer: "/data/audio_url", value: "https://x/a.mp3", mediaType: "audio/mpeg"),
            .init(kind: "data", pointer: "/data/b64_json", value: .null, mediaType: "image/*", sizeBytes: 3),
        ]
        task.error = TaskDocument.Failure(code: "busy", message: "Busy.", httpStatus: 429, hint: "Wait.")
        task.progress = 35.5
        task.eta = TaskDocument.Expectation(p50: "2026-11-23T14:01:00.000Z", p90: "2026-11-23T14:02:00.000Z")
        task.submittedAt = "2026-11-23T14:00:01.000Z"
        task.attempts = 1
        task.onUncertain = "fail"
        task.callback = TaskDocument.Callback(receiver: "pollux", deliveries: 2, latestAt: "2026-11-23T14:00:03.000Z")
        task.waitingFor = TaskDocument.Reason(code: "paused", message: "The endpoint is paused.")
        self.task = task
    }

    @Test func `a written task is read unchanged`() throws {
        #expect(try TaskDocument(json: task.json) == task)
        let bare = TaskDocument(id: "x", endpoint: "a/b", state: "queued", createdAt: "2026-11-23T14:00:00.000Z")
        #expect(try TaskDocument(json: bare.json) == bare)
    }

    @Test func `a task has all fields in the documented order, null where a value is missing`() {
        let bare = TaskDocument(id: "x", endpoint: "a/b", state: "queued", createdAt: "2026-11-23T14:00:00.000Z")
        #expect(
            bare.json.object?.names == [
                "id", "endpoint", "state", "partial", "remote_id", "account", "trace_id", "labels", "priority",
                "request", "response", "results", "error", "progress", "eta", "slower_than_usual_since", "created_at",
                "submitted_at", "started_at",
                "finished_at",
                "ended_at", "not_before", "deadline", "next_poll_at", "attempts", "polls", "on_uncertain",
                "resolution", "outcome_source", "callback", "waiting_for", "capture", "note", "retry_of", "notify",
                "pinned", "removed",
            ])
        #expect(bare.json["eta"] == .null)
        #expect(bare.json["labels"] == .object(JSONObject()))
    }

    @Test func `unknown members and states of a newer daemon are accepted`() throws {
        var json = try #require(task.json.object)
        json["mood"] = "good"
        json["state"] = "resting"
        let read = try TaskDocument(json: .object(json))
        #expect(read.state == "resting")
        #expect(!read.hasEnded)
    }

    @Test func `a response passes unchanged`() throws {
        let text = #"{"b":1.0,"a":[12345678901234567890,{"z":null}]}"#
        var task = task
        task.response = try JSONValue(parsing: text)
        #expect(try TaskDocument(json: JSONValue(parsing: task.json.text)).response.text == text)
    }

    @Test func `an error inside a nested document names the whole path`() throws {
        var json = try #require(task.json.object)
        json["eta"] = ["p50": "2026-11-23T14:01:00.000Z", "p90": 3]
        let error = #expect(throws: ContractError.self) { try TaskDocument(json: .object(json)) }
        #expect(error?.field == "eta.p90")
    }

    @Test func `written pages, events, endpoints and status documents are read unchanged`() throws {
        let page = TaskPage(tasks: [task, task], nextCursor: "c")
        #expect(try TaskPage(json: page.json) == page)
        #expect(TaskPage(tasks: []).json.text == #"{"tasks":[],"next_cursor":null}"#)

        let events = EventPage(events: [
            EventDocument(sequence: 1, taskID: "x", at: "2026-11-23T14:00:00.000Z", kind: "created", to: "queued"),
            EventDocument(
                sequence: 2, taskID: "x", at: "2026-11-23T14:00:01.000Z", kind: "observed", from: "running",
                detail: ["progress": 3]),
        ])
        #expect(try EventPage(json: events.json) == events)

        var busy = EndpointDocument(name: "a/c", provider: "xhuoapi")
        busy.state = "backing_off"
        busy.learned = .init(p50Seconds: 40.25, p90Seconds: 80, samples: 12)
        busy.lastError = .init(code: "busy", message: "m", httpStatus: 429, at: "2026-11-23T14:00:00.000Z")
        busy.unrecognised = .init(count: 3, lastShape: "{phase}", lastAt: "2026-11-23T14:00:00.000Z")
        let endpoints = EndpointPage(endpoints: [EndpointDocument(name: "a/b", provider: "xhuoapi"), busy])
        #expect(try EndpointPage(json: endpoints.json) == endpoints)

        var status = StatusDocument()
        status.version = "0.1.0"
        status.tasks = Dictionary(uniqueKeysWithValues: TaskDocument.states.map { ($0, 0) })
        status.database = .init(path: "/x/pollux.sqlite", sizeBytes: 4096)
        status.providers = [
            .init(name: "xhuoapi", baseURL: "https://x", token: "missing", state: "paused", reason: "r")
        ]
        #expect(try StatusDocument(json: status.json) == status)
        #expect(status.json["tasks"]?.object?.names == TaskDocument.states)
        #expect(try HealthDocument(json: HealthDocument(status: "ok").json).status == "ok")
    }

    @Test func `a problem keeps its additional members`() throws {
        let problem = ProblemDocument(
            status: 409, code: "ambiguous_id", title: "Several tasks", detail: "Write more of the id.",
            members: JSONObject([("candidates", ["a", "b"])]))
        #expect(try ProblemDocument(json: problem.json) == problem)
        #expect(try BatchLine(json: problem.json) == .problem(problem))
        #expect(try BatchLine(json: task.json) == .task(task))
    }
}
