import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests results in any store.
extension TaskStoreConformanceTests {
    /// A success with these results.
    private func done(_ results: [TaskResult], record: JSONValue = ["id": "x"]) -> Observation {
        var observation = Observation(.succeeded(partial: false), record: record)
        observation.results = results
        return observation
    }

    private func result(_ value: JSONValue, at tokens: String...) -> TaskResult {
        TaskResult(kind: .url, pointer: JSONPointer(tokens: tokens), value: value)
    }

    @Test func `stored results are read unchanged, in order`() async throws {
        try await with { (store: TaskStore) async throws in
            let lyrics = String(repeating: "la 😀 \u{0}\n", count: 500)
            let results = [
                TaskResult(
                    kind: .url, pointer: JSONPointer(tokens: ["data", "10", "url"]), value: "https://x/10.mp4",
                    mediaType: "video/mp4"),
                TaskResult(kind: .data, pointer: JSONPointer(tokens: ["b64"]), value: .null, sizeInBytes: 5 << 20),
                TaskResult(
                    kind: .text, pointer: JSONPointer(tokens: ["a/b~", "", "~1"]), value: .string(lyrics),
                    mediaType: "text/plain"),
                TaskResult(kind: .id, pointer: .init(tokens: []), value: try JSONValue(parsing: "1.0e2")),
            ]
            let record: JSONValue = ["a/b~": ["": ["~1": .string(lyrics)]]]
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            _ = try await store.apply(.observed(done(results, record: record)), to: task.id, at: now, nextDueAt: nil)
            let stored = try await store.taskWithPayload(task.id)
            #expect(stored?.payload.results == results)
            #expect(stored?.payload.results?.last?.value.text == "1.0e2")
            #expect(stored?.task.resultCount == 4)
            let listed = try await store.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
            #expect(listed.map(\.payload.results) == [results])
        }
    }

    @Test func `an empty list of results differs from results that were not stored`() async throws {
        try await with { (store: TaskStore) async throws in
            let running = TrackedTask.task(1, state: .running)
            let earlier = TrackedTask.task(2, state: .succeeded)
            let failing = TrackedTask.task(3, state: .running)
            for task in [running, earlier, failing] { _ = try await store.insert(.new(task, response: ["id": "x"])) }
            #expect(try await store.taskWithPayload(running.id)?.payload.results == nil)
            var failed = Observation(
                .failed(TaskFailure(code: "forbidden", message: "Moderation.")), record: ["id": "x"])
            failed.results = [result("https://x/preview.png", at: "preview")]
            for (id, observation) in [(running.id, done([])), (failing.id, failed)] {
                _ = try await store.apply(.observed(observation), to: id, at: now, nextDueAt: nil)
            }
            #expect(try await store.taskWithPayload(running.id)?.payload.results == [])
            #expect(try await store.taskWithPayload(earlier.id)?.payload.results == nil)
            #expect(try await store.taskWithPayload(failing.id)?.payload.results == nil)
        }
    }

    @Test func `each task of a batch has its own results, and a late record does not change them`() async throws {
        try await with { (store: TaskStore) async throws in
            let tasks = (1...5).map { TrackedTask.task($0, state: .running) }
            _ = try await store.insert(tasks.map { .new($0) })
            func results(_ number: Int) -> [TaskResult] {
                (0..<number % 3).map { result(.string("https://x/\(number)-\($0).png"), at: "urls", "\($0)") }
            }
            let ended = try await store.apply(
                tasks.indices.map {
                    ScheduledEvent(.observed(done(results($0))), for: tasks[$0].id, nextDueAt: nil)
                }, at: now)
            #expect(ended.map(\.task.resultCount) == [0, 1, 2, 0, 1])
            let late = done([result("https://x/late.png", at: "urls")], record: ["id": "late"])
            _ = try await store.apply(
                tasks.map { ScheduledEvent(.observed(late), for: $0.id, nextDueAt: nil) }, at: now)
            let listed = try await store.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
            #expect(listed.map(\.payload.results) == tasks.indices.reversed().map(results))
        }
    }

    @Test func `every event that ends a task with a record stores its results`() async throws {
        try await with { (store: TaskStore) async throws in
            let seen = done([result("https://x/1.png", at: "url")], record: ["url": "https://x/1.png"])
            let id = RemoteTaskID("r")
            let ways: [(TaskState, TaskEvent)] = [
                (.running, .observed(seen)), (.running, .endedByCallback(seen)), (.uncertain, .endedByCallback(seen)),
                (.submitting, .submissionAnswered(seen, remoteID: id)),
                (.submitting, .submissionAnswered(seen, remoteID: nil)),
                (.uncertain, .submissionAnswered(seen, remoteID: nil)),
                (.uncertain, .calledBack(CallbackDelivery(attempt: 1, observation: seen))),
                (.queued, .calledBack(CallbackDelivery(attempt: 1, observation: seen))),
            ]
            for (number, (state, event)) in ways.enumerated() {
                var task = TrackedTask.task(number, state: state, endpoint: "image\(number)/make")
                // A queued task that was sent before.
                if state == .queued {
                    task.attempts = 1
                    task.attempt = Attempt(number: 1, startedAt: now, endedAt: now)
                }
                _ = try await store.insert(.new(task))
                let change = try await store.apply(event, to: task.id, at: now, nextDueAt: nil)
                #expect(change?.task.state == .succeeded, "\(event.kind) in \(state)")
                let stored = try await store.taskWithPayload(task.id)
                #expect(stored?.payload.response == seen.record, "\(event.kind) in \(state)")
                #expect(stored?.payload.results == seen.results, "\(event.kind) in \(state)")
            }
        }
    }

    @Test func `a callback that does not decide the outcome stores no results`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let called = CallbackDelivery(attempt: 1, observation: done([result("https://x/no.png", at: "url")]))
            let polled = done([result("https://x/1.png", at: "url")])
            _ = try await store.apply(.calledBack(called), to: task.id, at: now, nextDueAt: now)
            #expect(try await store.taskWithPayload(task.id)?.payload.results == nil)
            _ = try await store.apply(.cancelRequested, to: task.id, at: now, nextDueAt: nil)
            _ = try await store.apply(.observed(polled), to: task.id, at: now, nextDueAt: nil)
            #expect(try await store.taskWithPayload(task.id)?.payload.results == nil)
            // A reopened task has the results of its new outcome.
            _ = try await store.apply(.reopenRequested, to: task.id, at: now, nextDueAt: now)
            _ = try await store.apply(.observed(polled), to: task.id, at: now, nextDueAt: nil)
            #expect(try await store.taskWithPayload(task.id)?.payload.results == polled.results)
        }
    }

    @Test func `stored results contain no callback token`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let url = "https://pollux.example/callbacks/" + String(repeating: "aB3_-", count: 9).prefix(43)
            let long = JSONValue.string(String(repeating: "la ", count: 900) + url)
            let seen = done(
                [result(.string(url), at: "short"), result(long, at: "long")],
                record: ["short": .string(url), "long": long])
            _ = try await store.apply(.observed(seen), to: task.id, at: now, nextDueAt: nil)
            let values = try await store.taskWithPayload(task.id)?.payload.results?.map(\.value.text) ?? []
            #expect(values.count == 2 && values.allSatisfy { $0.hasSuffix("/callbacks/(token)\"") })
        }
    }
}
